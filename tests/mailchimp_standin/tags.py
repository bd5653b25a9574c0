"""Tags, which are static segments (Mailchimp's documents)."""

import msgspec

from .problems import invalid, not_found

Ids = frozenset[int]
FIRST_ID = 49001


class Segment(msgspec.Struct):
    """A static segment; who is in it stands with the members."""

    id: int
    name: str
    created: float
    updated: float


class TagView(msgspec.Struct, frozen=True):
    """A tag as a member's document shows it."""

    id: int
    name: str


class Tags:
    """The static segments of an audience, and the shared sets of ids that its members carry."""

    def __init__(self) -> None:
        self.segments: dict[int, Segment] = {}
        self._ids: dict[str, int] = {}
        self._next = FIRST_ID
        # members with equal tags share one set: a million of them would weigh 200 MB
        self._shared: dict[Ids, Ids] = {}
        self._with: dict[tuple[Ids, tuple[str, ...]], Ids] = {}
        self._shown: dict[Ids, tuple[TagView, ...]] = {}

    def get(self, segment_id: str) -> Segment:
        """By the id of a path.

        Raises:
            Problem: 404.
        """
        segment = self.segments.get(int(segment_id)) if segment_id.isdecimal() else None
        if segment is None:
            raise not_found()
        return segment

    def named(self, name: str) -> Segment | None:
        """By exact name."""
        segment_id = self._ids.get(name)
        return None if segment_id is None else self.segments[segment_id]

    def create(self, name: str, now: float) -> Segment:
        """Make a tag.

        Raises:
            Problem: 400 when the name is taken.
        """
        if name in self._ids:
            raise invalid("Sorry, that tag already exists.")
        segment = Segment(self._next, name, now, now)
        self._next += 1
        self.segments[segment.id] = segment
        self._ids[name] = segment.id
        return segment

    def rename(self, segment: Segment, name: str, now: float) -> None:
        if name == segment.name:
            return
        if name in self._ids:
            raise invalid("Sorry, that tag already exists.")
        self._changed()
        del self._ids[segment.name]
        self._ids[name] = segment.id
        segment.name, segment.updated = name, now

    def delete(self, segment: Segment) -> None:
        """Its id stays in the members' sets, and means nothing any more: ids aren't used twice."""
        self._changed()
        del self.segments[segment.id]
        del self._ids[segment.name]

    def shared(self, ids: Ids) -> Ids:
        return self._shared.setdefault(ids, ids)

    def with_names(self, ids: Ids, names: tuple[str, ...], now: float) -> Ids:
        """The set with these tags added; unknown names make new tags."""
        known = self._with.get((ids, names))
        if known is not None:
            return known
        added = {(self.named(name) or self.create(name, now)).id for name in names}
        self._with[ids, names] = result = self.shared(ids | added)
        return result

    def shown(self, ids: Ids) -> tuple[TagView, ...]:
        """In alphabetical order; deleted tags are none."""
        known = self._shown.get(ids)
        if known is None:
            views = [TagView(i, self.segments[i].name) for i in ids if i in self.segments]
            known = self._shown[ids] = tuple(sorted(views, key=lambda view: view.name))
        return known

    def names(self, ids: Ids) -> tuple[str, ...]:
        return tuple(view.name for view in self.shown(ids))

    def _changed(self) -> None:
        self._with.clear()
        self._shown.clear()
