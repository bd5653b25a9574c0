"""One audience: its members, its merge fields, its tags, and what was ever done to a status."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal

from .members import Kept, Member, Shape, Values, Who, key_of, packed, unpacked
from .problems import not_found
from .reports import StatusChange
from .shapes import MergeValue
from .tags import Tags
from .validation import MergeField

Dialect = Literal["newest", "classic"]
FIELD_LIMIT = 30
TEXTS = frozenset(("text", "phone"))
READERS = 8  # at once, whose listings are kept
DEFAULT_FIELDS = (
    MergeField(tag="FNAME", name="First Name"),
    MergeField(tag="LNAME", name="Last Name"),
    MergeField(tag="ADDRESS", name="Address", type="address"),
    MergeField(tag="PHONE", name="Phone Number", type="phone"),
)


class Audience:
    """The state of one audience; nothing here knows HTTP."""

    def __init__(self, list_id: str, owner: str, fields: Iterable[MergeField], created: float) -> None:
        self.id = list_id
        self.owner = owner
        self.name = "Newsletter"
        self.dialect: Dialect = "newest"
        self.double_optin = False
        self.ignore_unknown_fields = False
        self.created = created
        self.members: dict[str, Member] = {}
        self.tags = Tags()
        self.gone: set[str] = set()
        self.hasty: set[str] = set()
        self.changes: list[StatusChange] = []
        self.resubscribed = 0
        self.version = 0
        self.fields: dict[str, MergeField] = {}
        self.merge_ids: dict[str, int] = {}
        self.required: tuple[str, ...] = ()
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._all_shapes: list[Shape] = []
        self._hashes: dict[bytes, str] = {}
        self._hashed = 0
        self._listings: dict[object, tuple[int, list[Member]]] = {}
        for field in fields:
            self.add_field(field)

    # merge fields

    def add_field(self, field: MergeField) -> None:
        self.fields[field.tag] = field
        self.merge_ids[field.tag] = max(self.merge_ids.values(), default=0) + 1
        self._note_fields()

    def delete_field(self, tag: str) -> None:
        """Its values go with it, and don't come back with a new field of that tag."""
        del self.fields[tag]
        for shape in self._all_shapes:
            shape.tags = tuple(None if held == tag else held for held in shape.tags)
        self._note_fields()

    def _note_fields(self) -> None:
        self._shapes.clear()
        self.required = tuple(f.tag for f in self.fields.values() if f.required)
        self.version += 1

    def shape(self, tags: tuple[str, ...]) -> Shape:
        known = self._shapes.get(tags)
        if known is None:
            texts = all(tag in self.fields and self.fields[tag].type in TEXTS for tag in tags)
            known = self._shapes[tags] = Shape(tags, texts)
            self._all_shapes.append(known)
        return known

    def row(self, fields: dict[str, MergeValue]) -> tuple[Shape, Values]:
        """Values as a member keeps them."""
        shape = self.shape(tuple(fields))
        return shape, packed(shape, fields.values())

    def merge_fields(self, member: Member, *, blanks: bool) -> dict[str, MergeValue]:
        """By tag; `blanks` shows empty fields as empty strings, as the API does."""
        pairs = zip(member.shape.tags, unpacked(member.shape, member.values), strict=True)
        if not blanks:
            return {tag: value for tag, value in pairs if tag and value != ""}
        shown: dict[str, MergeValue] = dict.fromkeys(self.fields, "")
        shown.update((tag, value) for tag, value in pairs if tag)
        return shown

    # members

    def add(self, member: Member) -> None:
        self.members[member.key] = member
        self.version += 1

    def forget(self, member: Member) -> None:
        """Take a member out without a trace; the index by hash is built anew when it is needed."""
        del self.members[member.key]
        self._hashes, self._hashed = {}, 0
        self.version += 1

    def find(self, subscriber: str) -> Member:
        """By MD5 hash or by address.

        Raises:
            Problem: 404.
        """
        by_address = "@" in subscriber
        member = self.members.get(key_of(subscriber)) if by_address else self._by_hash(subscriber)
        if member is None:
            raise not_found()
        return member

    def _by_hash(self, digest: str) -> Member | None:
        try:
            wanted = bytes.fromhex(digest)
        except ValueError:
            return None
        if self._hashed != len(self.members):
            # built when first asked for, then carried on: a million hashes cost a second
            for key in islice(self.members, self._hashed, None):
                self._hashes[hashlib.md5(key.encode(), usedforsecurity=False).digest()] = key
            self._hashed = len(self.members)
        key_found = self._hashes.get(wanted)
        return self.members[key_found] if key_found is not None else None

    def set_status(self, member: Member, status: Kept, by: Who, now: float, *, via: str) -> None:
        """Change an existing member's status, and remember that it was changed."""
        was = member.status
        if via == "api" and status == "subscribed" and was != "subscribed":
            self.resubscribed += 1
        if was != status:
            self.changes.append(StatusChange(now, member.email, was, status, via))
        member.status = status
        member.by = by if status == "unsubscribed" else ""
        member.changed = now
        self.version += 1

    # lists

    def listing(self, key: object, wanted: Callable[[Member], bool]) -> list[Member]:
        """The members wanted, kept for the next page until anything changes."""
        kept = self._listings.get(key)
        if kept and kept[0] == self.version:
            return kept[1]
        found = [member for member in self.members.values() if wanted(member)]
        if len(self._listings) > READERS:
            self._listings.clear()
        self._listings[key] = (self.version, found)
        return found

    def counts(self) -> Counter[str]:
        """How many members have each status."""
        return Counter(member.status for member in self.members.values())

    def tagged(self, segment_id: int) -> list[Member]:
        """Everybody with the tag, whatever their status."""
        return self.listing(("tag", segment_id), lambda member: segment_id in member.tags)
