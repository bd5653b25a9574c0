"""Members: as the batch call answers for them, one by one, and in pages."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from worker.exports.membership import MemberState, identity
from worker.exports.uploading import Answer, Refusal
from worker.mailchimp import errors
from worker.mailchimp.reading import read

# what is asked for of a member, and of each member of a page
STATE: Final = "email_address,status,tags_count,tags,merge_fields,last_changed"
PAGE: Final = "members.email_address,members.status,total_items"


class MembersPage(msgspec.Struct, frozen=True):
    """Members as (address, status), and how many there are on all pages; a contact may have no address."""

    members: Sequence[tuple[str, str]]
    total: int

    def __repr__(self) -> str:
        return f"MembersPage(members={len(self.members)}, total={self.total})"


class _Refused(msgspec.Struct):
    email_address: str | None = None
    error: str | None = None
    error_code: str | None = None
    field: str | None = None
    field_message: str | None = None


class _Batch(msgspec.Struct):
    new_members: list[msgspec.Raw] | None = None
    updated_members: list[msgspec.Raw] | None = None
    errors: list[_Refused] | None = None
    total_created: int | None = None
    total_updated: int | None = None
    error_count: int | None = None


class _Tag(msgspec.Struct):
    name: str


class _State(msgspec.Struct):
    email_address: str
    status: str
    tags: list[_Tag] | None = None
    tags_count: int = 0
    # an object without keys may come as an empty list
    merge_fields: dict[str, Any] | list[Any] | None = None
    last_changed: str = ""


class _Tags(msgspec.Struct):
    tags: list[_Tag]
    total_items: int


class _Listed(msgspec.Struct):
    email_address: str | None
    status: str


class _Members(msgspec.Struct):
    # nothing may be missing: who is not seen here would be written to
    members: list[_Listed]
    total_items: int


_BATCH: Final = msgspec.json.Decoder(_Batch)
_STATE: Final = msgspec.json.Decoder(_State)
_TAGS: Final = msgspec.json.Decoder(_Tags)
_MEMBERS: Final = msgspec.json.Decoder(_Members)


def read_answer(body: bytes) -> Answer:
    """Read what `POST /lists/{list_id}` answered with a 200.

    Raises:
        Unavailable: when it is not such an answer.
    """
    batch = read(_BATCH, body, "to a batch")
    if batch.new_members is None and batch.updated_members is None and batch.errors is None:
        raise errors.unreadable("to a batch says nothing of any member")
    return Answer(
        created=batch.new_members or (),
        updated=batch.updated_members or (),
        refusals=[_refusal(refused) for refused in batch.errors or ()],
        total_created=batch.total_created,
        total_updated=batch.total_updated,
        total_refused=batch.error_count,
    )


def read_state(body: bytes) -> tuple[MemberState, int]:
    """Read the document of one member, and how many tags they have: it shows at most 50 of them.

    Raises:
        Unavailable: when it is no such answer; the same for the others here.
    """
    wire = read(_STATE, body, "about a member")
    fields = wire.merge_fields if isinstance(wire.merge_fields, dict) else {}
    tags = tuple(tag.name for tag in wire.tags or ())
    return MemberState(wire.email_address, wire.status, tags, fields, wire.last_changed), wire.tags_count


def read_tags(body: bytes) -> tuple[list[str], int]:
    """Read a page of a member's tags by name, and how many there are on all pages."""
    page = read(_TAGS, body, "about a member's tags")
    return [tag.name for tag in page.tags], page.total_items


def read_page(body: bytes) -> MembersPage:
    """Read a page of members, asked for with the fields `PAGE`."""
    page = read(_MEMBERS, body, "about members")
    listed = [(member.email_address or "", member.status) for member in page.members]
    return MembersPage(listed, page.total_items)


def subscriber_hash(address: str) -> str:
    """Name a member as paths do: the MD5 of the address."""
    return hashlib.md5(identity(address).encode(), usedforsecurity=False).hexdigest()


def moment(at: datetime) -> str:
    """Write a time as Mailchimp does, in whole seconds: never later than it is.

    Raises:
        ValueError: when it has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone could be meant in any")
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _refusal(refused: _Refused) -> Refusal:
    # the error is often one phrase for all fields ("Your merge fields were invalid."), so both are kept
    reasons = dict.fromkeys(text for text in (refused.error, refused.field_message) if text)
    return Refusal(
        email=refused.email_address or "",
        code=refused.error_code or "",
        message=" ".join(reasons),
        field=refused.field or "",
    )
