"""Tags, which Mailchimp keeps as static segments."""

from collections.abc import Sequence
from typing import Final

import msgspec

from worker.mailchimp import errors
from worker.mailchimp.problems import masked
from worker.mailchimp.reading import read

# the most that Mailchimp puts on or takes off in a call, of each (its specification)
MOST_ADDRESSES: Final = 500


class Tag(msgspec.Struct, frozen=True):
    """A tag: its static segment's ID, and its name."""

    id: int
    name: str


class TagError(msgspec.Struct, frozen=True):
    """Addresses that were passed over, not being in the audience for example, and why."""

    addresses: Sequence[str]
    message: str

    def __repr__(self) -> str:
        return f"TagError(addresses={len(self.addresses)}, message={self.message!r})"


class TagAnswer(msgspec.Struct, frozen=True):
    """How many members got a tag and how many lost it; who had it, or had it not, counts in neither."""

    added: int = 0
    removed: int = 0
    errors: Sequence[TagError] = ()


class _Search(msgspec.Struct):
    tags: list[Tag]
    total_items: int | None = None


class _Segments(msgspec.Struct):
    segments: list[Tag]
    total_items: int


class _Error(msgspec.Struct):
    email_addresses: list[str] | None = None
    error: str | None = None


class _Change(msgspec.Struct):
    members_added: list[msgspec.Raw] | None = None
    members_removed: list[msgspec.Raw] | None = None
    errors: list[_Error] | None = None
    total_added: int | None = None
    total_removed: int | None = None


class _Members(msgspec.Struct, omit_defaults=True):
    members_to_add: Sequence[str] = ()
    members_to_remove: Sequence[str] = ()


_TAG: Final = msgspec.json.Decoder(Tag)
_SEARCH: Final = msgspec.json.Decoder(_Search)
_SEGMENTS: Final = msgspec.json.Decoder(_Segments)
_CHANGE: Final = msgspec.json.Decoder(_Change)


def read_tag(body: bytes) -> Tag:
    """Read a static segment's own document.

    Raises:
        Unavailable: when it is no such answer; the same for the others here.
    """
    return read(_TAG, body, "about a tag")


def read_search(body: bytes) -> tuple[list[Tag], int]:
    """Read what `GET /lists/{list_id}/tag-search` found, and how many there are beyond its answer too."""
    found = read(_SEARCH, body, "to a search for tags")
    return found.tags, len(found.tags) if found.total_items is None else found.total_items


def read_segments(body: bytes) -> tuple[list[Tag], int]:
    """Read a page of static segments, and how many there are on all pages."""
    page = read(_SEGMENTS, body, "about tags")
    return page.segments, page.total_items


def read_change(body: bytes) -> TagAnswer:
    """Read what `POST /lists/{list_id}/segments/{segment_id}` did."""
    change = read(_CHANGE, body, "to a change of tags")
    return TagAnswer(
        added=_count(change.total_added, change.members_added),
        removed=_count(change.total_removed, change.members_removed),
        errors=[
            TagError(error.email_addresses or (), masked(error.error or "")) for error in change.errors or ()
        ],
    )


def new_tag(name: str) -> bytes:
    """Make the body of `POST /lists/{list_id}/segments`: a tag that nobody has yet."""
    return msgspec.json.encode({"name": name, "static_segment": []})


def new_name(name: str) -> bytes:
    """Make the body of a tag's PATCH: its name alone, for an empty `static_segment` would empty the tag."""
    return msgspec.json.encode({"name": name})


def change(add: Sequence[str], remove: Sequence[str]) -> bytes:
    """Make the body of `POST /lists/{list_id}/segments/{segment_id}`.

    Raises:
        ValueError: when there are more addresses than a call takes.
    """
    if max(len(add), len(remove)) > MOST_ADDRESSES:
        raise ValueError(f"a call takes {MOST_ADDRESSES} addresses at most, of each kind")
    return msgspec.json.encode(_Members(tuple(add), tuple(remove)))


def _count(total: int | None, members: list[msgspec.Raw] | None) -> int:
    if total is None and members is None:
        raise errors.unreadable("to a change of tags says nothing of any member")
    return len(members or ()) if total is None else total
