"""Whether a body comes from somebody who holds a secret of ours, by Standard Webhooks.

Of the library only the signing is used. Its own verification reads the clock itself and raises whatever
a malformed header makes it raise.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook

WINDOW: Final = timedelta(minutes=5)

_FORMS: Final = {
    "webhook-id": re.compile(r"[!-~]{1,200}"),
    "webhook-timestamp": re.compile(r"[0-9]{1,11}"),
    "webhook-signature": re.compile(r"[ -~]{1,4000}"),
}


class Unverified(Exception):
    """Nobody knows who sent this; its text is for our log, the sender is always told the same."""


def verify(headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[str]) -> None:
    """Check a body against its signatures; `headers` are in lower case, `secrets` as `whsec_…`.

    Raises:
        Unverified: no secret made any of its signatures, or it is too old or too new.
    """
    webhook_id, sent_at, signatures = (_header(headers, name) for name in _FORMS)
    moment = datetime.fromtimestamp(int(sent_at), UTC)
    if abs(now - moment) > WINDOW:
        raise Unverified("the timestamp is more than five minutes from now")
    text = _text(body)
    expected = [Webhook(secret).sign(webhook_id, moment, text).encode() for secret in secrets]
    given = signatures.encode().split(b" ")
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise Unverified("no signature was made with a secret of ours")


def _header(headers: Mapping[str, str], name: str) -> str:
    text = headers.get(name, "")
    if not _FORMS[name].fullmatch(text):
        raise Unverified(f"{name} is missing or malformed")
    return text


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Unverified("the body is not UTF-8") from None
