"""Quarantine: whom Mailchimp refuses for good is not sent again until something changes.

It ends when the profile does, or with time. So what is taken for permanent by mistake costs 30 days at most,
and what is not costs a refusal in every run.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from worker.exports.hashes import WIDTH
from worker.exports.uploading import Refusal

DAYS: Final = 30
_DAYS_OF_VELOCITY: Final = 1
"""Users' reports: after one day most are taken, some after two, or seven."""

Hash = Annotated[bytes, msgspec.Meta(min_length=WIDTH, max_length=WIDTH)]


class Quarantined(msgspec.Struct, frozen=True):
    """A member who was refused, and what was sent then.

    The hashes are those of the clean address and of the payload, 16 bytes little-endian. `code` and `message`
    are Mailchimp's; `until` is a time in ISO 8601.
    """

    address_hash: Hash
    payload_hash: Hash
    email: str
    code: str
    message: str
    until: str

    def __repr__(self) -> str:
        # Mailchimp's messages quote the address
        return f"Quarantined(code={self.code!r}, until={self.until!r})"


class Fate(StrEnum):
    """What a refusal says of the next try with the same payload."""

    COMPLIANCE = "compliance"
    """The person said no, bounced or complained: only they can come back."""
    PERMANENT = "permanent"
    """It will be refused again."""
    VELOCITY = "velocity"
    """It may be taken in some days."""
    OTHER = "other"
    """Nothing is known of it; the next run finds out."""


# the batch call's own codes say nothing but this; the others are titles of single refusals (users' reports)
_BY_CODE: Final = {
    "error_contact_exists": Fate.OTHER,
    "member in compliance state": Fate.COMPLIANCE,
    "forgotten email not subscribed": Fate.PERMANENT,
}
# Mailchimp's documents and users' reports; "valid email" is part of "invalid email" too
_BY_TEXT: Final = {
    "compliance state": Fate.COMPLIANCE,
    "signed up to a lot of lists": Fate.VELOCITY,
    "not allowing more signups": Fate.VELOCITY,
    "permanently deleted": Fate.PERMANENT,
    "cannot be re-imported": Fate.PERMANENT,
    "looks fake or invalid": Fate.PERMANENT,
    "valid email": Fate.PERMANENT,
    "email address must contain a single @": Fate.PERMANENT,
    "portion of the email address is invalid": Fate.PERMANENT,
}
# the audience lacks the field: no profile is to blame, and a setting there mends it
_FIELD_AT_FAULT: Final = ("no such merge field", "merge field does not exist", "merge field doesn't exist")
_ADDRESS: Final = frozenset({"email_address", "EMAIL"})
_MERGE_FIELD: Final = re.compile(r"(?:merge_fields\.)?[A-Z0-9_]+", re.ASCII)


def classify(refusal: Refusal) -> Fate:
    """Tells what a refusal means: by its code, then by the field to blame, and by its text only then.

    The texts about merge fields come in the audience's language, and quote its choices, so they are the last
    that is asked: a merge field that is named had a value that does not fit.
    """
    by_code = _BY_CODE.get(_plain(refusal.code))
    if by_code is not None:
        return by_code
    text = _plain(refusal.message)
    is_address = refusal.field in _ADDRESS
    if _MERGE_FIELD.fullmatch(refusal.field) and not is_address:
        return Fate.OTHER if any(phrase in text for phrase in _FIELD_AT_FAULT) else Fate.PERMANENT
    by_text = (fate for phrase, fate in _BY_TEXT.items() if phrase in text)
    return next(by_text, Fate.PERMANENT if is_address else Fate.OTHER)


def until(now: datetime, fate: Fate, days: int = DAYS) -> datetime | None:
    """When the same payload may be sent again; None when the next run may.

    `days` is how long a refusal for good is remembered.
    """
    match fate:
        case Fate.COMPLIANCE | Fate.PERMANENT:
            return now + timedelta(days=days)
        case Fate.VELOCITY:
            return now + timedelta(days=_DAYS_OF_VELOCITY)
        case Fate.OTHER:
            return None


def _plain(text: str) -> str:
    """In small letters, with single spaces and straight apostrophes."""
    return " ".join(text.replace("\u2019", "'").casefold().split())
