"""Segments: where they are read from, and which exports take them."""

from collections.abc import Mapping
from typing import Any

from producer.desk import Desk, operation
from producer.operations.changing import (
    change,
    declared,
    found,
    listed,
    merged,
    provenance,
    refuse_existing,
    used_by,
)
from producer.operations.documents import Made, Page, Removed, SegmentView, page
from worker.errors import Conflicts
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Export, Segment


@operation
def list_segments(desk: Desk, *, after: str = "", limit: int | None = None) -> Page[SegmentView]:
    """Segments by name."""
    shown = page(desk.producer.catalog.segments(), lambda each: each.name, after=after, limit=limit)
    exports, made = desk.producer.catalog.exports(), provenance(desk)
    return Page([_view(each, exports, made) for each in shown.items], shown.next)


@operation
def show_segment(desk: Desk, name: str) -> SegmentView:
    """One segment."""
    return _shown(desk, name)


@operation
def add_segment(desk: Desk, name: str, values: Mapping[str, Any]) -> SegmentView:
    """Adds a segment of the values of a configuration file."""

    def decide(before: Definitions) -> Edit:
        refuse_existing(before, Segment, name)
        return Edit(save=[declared(desk, Segment, name, values, before)])

    change(desk, "add_segment", decide)
    return _shown(desk, name)


@operation
def edit_segment(desk: Desk, name: str, changes: Mapping[str, Any]) -> SegmentView:
    """Replaces the values that are named; null takes one back to its default."""

    def decide(before: Definitions) -> Edit:
        segment = found(before, Segment, name)
        return Edit(save=[declared(desk, Segment, name, merged(segment, changes), before)])

    change(desk, "edit_segment", decide)
    return _shown(desk, name)


@operation
def remove_segment(desk: Desk, name: str) -> Removed:
    """Removes a segment that no export takes.

    Raises:
        Conflicts: an export takes it.
    """

    def decide(before: Definitions) -> Edit:
        segment = found(before, Segment, name)
        if users := used_by(before, segment):
            raise Conflicts(f"Segment {name} is taken by {listed(users)}: take it out there first.")
        return Edit(remove=[segment])

    change(desk, "remove_segment", decide)
    return Removed(name=name)


def _shown(desk: Desk, name: str) -> SegmentView:
    return _view(desk.producer.catalog.segment(name), desk.producer.catalog.exports(), provenance(desk))


def _view(segment: Segment, exports: list[Export], made: Mapping[str, Made]) -> SegmentView:
    return SegmentView.model_validate(
        {
            **segment.model_dump(mode="json"),
            "made": made.get(f"segment {segment.name}"),
            "used_by": [each.name for each in exports if segment.name in each.segments],
        }
    )
