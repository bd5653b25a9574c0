"""Parquet sources: copied as they are."""

import shutil
from pathlib import Path
from typing import BinaryIO, Final

_BLOCK: Final = 1 << 20


def take_parquet(source: BinaryIO, where: str, target: Path) -> None:  # noqa: ARG001 (one signature for all)
    """Copies the bytes; whether they are Parquet shows when they are read.

    Raises:
        OSError: reading or writing failed.
    """
    with target.open("wb") as copy:
        shutil.copyfileobj(source, copy, _BLOCK)
