"""Where segments are read from."""

from worker.sources.opening import SegmentTable, open_segment

__all__ = ["SegmentTable", "open_segment"]
