"""Segments: where they are read from, and which exports take them."""

from typing import Any

from producer.http.answers import SegmentList
from producer.http.asked import AddTo, After, Limit, Name
from producer.http.described import SegmentChanges, SegmentValues
from producer.http.door import AtDesk, guarded_router
from producer.http.named import named
from producer.http.problems import OF_BODIES, answers
from producer.operations import exports, segments
from producer.operations.documents import ExportView, Removed, SegmentView

router = guarded_router("segments")


@router.get("/segments", response_model=SegmentList)
def list_segments(desk: AtDesk, after: After = "", limit: Limit = 50) -> Any:
    """Segments by name."""
    return segments.list_segments(desk, after=after, limit=limit)


@router.post("/segments", response_model=SegmentView, status_code=201, responses=answers(409, *OF_BODIES))
def add_segment(desk: AtDesk, values: SegmentValues) -> Any:
    """Add a segment."""
    return segments.add_segment(desk, *named(values))


@router.get("/segments/{name}", response_model=SegmentView, responses=answers(404))
def show_segment(desk: AtDesk, name: Name) -> Any:
    """One segment."""
    return segments.show_segment(desk, name)


@router.patch("/segments/{name}", response_model=SegmentView, responses=answers(404, 409, *OF_BODIES))
def edit_segment(desk: AtDesk, name: Name, changes: SegmentChanges) -> Any:
    """Replace the values that are named."""
    return segments.edit_segment(desk, name, changes)


@router.delete("/segments/{name}", response_model=Removed, responses=answers(404, 409))
def remove_segment(desk: AtDesk, name: Name) -> Any:
    """Remove a segment that no export takes."""
    return segments.remove_segment(desk, name)


@router.post("/segments/{name}/exports", response_model=ExportView, responses=answers(404, 409, *OF_BODIES))
def add_segment_to_export(desk: AtDesk, name: Name, where: AddTo) -> Any:
    """Let an export take this segment too."""
    return exports.add_segment_to_export(desk, name, where.export)
