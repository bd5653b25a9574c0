"""Segments in memory, for planning."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from polars import selectors


class MemoryTable:
    """A segment whose rows are at hand, read in batches of any height."""

    def __init__(
        self, segment: str, rows: pl.DataFrame | dict[str, Sequence[Any]], *, height: int = 3
    ) -> None:
        self.segment = segment
        self.where = f"data/{segment}.csv"
        self.frame = pl.DataFrame(rows)
        self.height = height

    @property
    def columns(self) -> Sequence[str]:
        return self.frame.columns

    @property
    def kinds(self) -> Mapping[str, pl.DataType]:
        return self.frame.schema

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield from self.frame.select(selectors.by_name(*columns)).iter_slices(self.height)


@pytest.fixture(scope="session")
def memory_table() -> type[MemoryTable]:
    return MemoryTable
