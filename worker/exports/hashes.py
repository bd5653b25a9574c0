"""Hashes as bytes: what 128 bits look like outside of a table."""

from typing import Final

import polars as pl

WIDTH: Final = 16
"""Bytes of a hash; they are little-endian."""


def to_bytes(hashes: pl.Series) -> bytes:
    """Joins a column of UInt128 without nulls, 16 bytes each."""
    return b"".join([number.to_bytes(WIDTH, "little") for number in hashes.to_list()])


def from_bytes(joined: bytes) -> pl.Series:
    """The column that `to_bytes` joined.

    Raises:
        ValueError: the bytes don't make whole hashes.
    """
    count, rest = divmod(len(joined), WIDTH)
    if rest:
        raise ValueError("Hashes are 16 bytes each, and the last one is not whole.")
    if not count:
        return pl.Series(dtype=pl.UInt128)
    row = pl.Series([joined], dtype=pl.Binary)
    return row.bin.reinterpret(dtype=pl.Array(pl.UInt128, count), endianness="little").explode()
