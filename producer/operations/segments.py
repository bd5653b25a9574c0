"""Segments: where they are read from, and which exports take them."""

from collections.abc import Mapping
from typing import Any

from producer.desk import Desk, operation
from producer.operations.documents import Page, Removed, SegmentView


@operation
def list_segments(desk: Desk, *, after: str = "", limit: int | None = None) -> Page[SegmentView]:
    """Segments by name."""
    raise NotImplementedError


@operation
def show_segment(desk: Desk, name: str) -> SegmentView:
    """One segment."""
    raise NotImplementedError


@operation
def add_segment(desk: Desk, name: str, values: Mapping[str, Any]) -> SegmentView:
    """Adds a segment of the values of a configuration file."""
    raise NotImplementedError


@operation
def edit_segment(desk: Desk, name: str, changes: Mapping[str, Any]) -> SegmentView:
    """Replaces the values that are named; null takes one back to its default."""
    raise NotImplementedError


@operation
def remove_segment(desk: Desk, name: str) -> Removed:
    """Removes a segment that no export takes."""
    raise NotImplementedError
