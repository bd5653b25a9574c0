"""Text formats are rewritten as Parquet once, by a strict parser: all that follows reads one format."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

ROWS_AT_A_TIME: Final = 2_000  # few enough for a processor's cache, which saves a third of the time
MOST_COLUMNS: Final = 2_000
_ROWS_IN_A_GROUP: Final = 40_000  # what is decoded at once later


def write_texts(frames: Iterator[pl.DataFrame], columns: Sequence[str], target: Path) -> None:
    """Writes frames of text columns, all with the same columns, one after the other.

    Raises:
        OSError: the target can't be written; and whatever `frames` raises, as it is.
    """

    def produce(
        _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        return frames

    schema = dict.fromkeys(columns, pl.String())
    register_io_source(produce, schema=schema).sink_parquet(
        target, compression="lz4", statistics=False, row_group_size=_ROWS_IN_A_GROUP
    )


def as_frame(columns: Sequence[str], values: Sequence[Sequence[str | None]]) -> pl.DataFrame:
    """A frame of text columns from as many sequences of equal length.

    Raises:
        TypeError: a value is not text.
    """
    series = (pl.Series(column, dtype=pl.String, strict=True) for column in values)
    return pl.DataFrame(dict(zip(columns, series, strict=True)))
