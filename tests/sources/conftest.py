"""Reading a source as planning does."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from worker.sources import open_segment

Read = Callable[[str, bytes], pl.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file of this name and content, and reads all of it."""

    def read_all(name: str, content: bytes) -> pl.DataFrame:
        path = tmp_path / name
        path.write_bytes(content)
        with open_segment("loyal", str(path), None) as table:
            return pl.concat(
                [pl.DataFrame(schema=table.scan().collect_schema()), *table.batches(table.columns)]
            )

    return read_all
