"""What staging yields, without the frames that are for the snapshot."""

from collections.abc import Iterator

import polars as pl

from worker.exports.chunks import StagedChunk
from worker.exports.outcomes import ReportLine
from worker.exports.planning import Survey, stage


def told(found: Survey) -> Iterator[StagedChunk | list[ReportLine]]:
    """Chunks and report lines, in the order of staging."""
    return (item for item in stage(found) if not isinstance(item, pl.DataFrame))
