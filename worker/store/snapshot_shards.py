"""Shards of a snapshot: up to 100,000 rows as two objects, hashes apart from addresses.

Planning reads all hashes and hardly any address. Both are Parquet, compressed (zstd 1): smaller and quicker
than Arrow's format here, and polars keeps 128 bits in both. Hashes don't get smaller, but a column that is
the same all over costs nothing. Nobody but us can have written what is read: it was sealed.
"""

import io
from collections.abc import Mapping
from typing import Final

import polars as pl

from worker.store.interface import MissingObject
from worker.store.snapshot_place import Place, UnreadableSnapshot

ROWS_OF_A_SHARD: Final = 100_000
HASHES: Final = {
    "address_hash": pl.UInt128(),
    "payload_hash": pl.UInt128(),
    "tags": pl.UInt64(),
    "key_hash": pl.UInt128(),
}
COLUMNS: Final = {**HASHES, "email": pl.String()}

_ADDRESSES: Final = {"address_hash": pl.UInt128(), "email": pl.String()}
_LEVEL: Final = 1


def write_shard(place: Place, number: int, rows: pl.DataFrame) -> None:
    """Write both objects of a shard."""
    write_parts(place, number, rows, _packed(rows.select(list(_ADDRESSES))))


def write_parts(place: Place, number: int, hashes: pl.DataFrame, addresses: bytes) -> None:
    """Write both objects of a shard; `read_addresses` gave the addresses of the very same rows."""
    place.write(f"{number:05d}.hashes", _packed(hashes.select(list(HASHES))))
    place.write(f"{number:05d}.addresses", addresses)


def read_hashes_of(place: Place, number: int, rows: int) -> pl.DataFrame:
    """Read the hashes of a shard of so many rows.

    Raises:
        UnreadableSnapshot: its object is missing, or not what was written.
    """
    name = f"{number:05d}.hashes"
    return _unpacked(place, name, _read(place, name), HASHES, rows)


def read_addresses(place: Place, number: int) -> bytes:
    """Read the addresses of a shard, still packed; raises as `read_hashes_of` does."""
    return _read(place, f"{number:05d}.addresses")


def unpack_addresses(place: Place, number: int, packed: bytes, hashes: pl.DataFrame) -> pl.Series:
    """Give the addresses of a shard, in the order of its hashes.

    Raises:
        UnreadableSnapshot: they are not those of the hashes.
    """
    name = f"{number:05d}.addresses"
    addresses = _unpacked(place, name, packed, _ADDRESSES, hashes.height)
    if not (addresses["address_hash"] == hashes["address_hash"]).all():
        raise _odd(place, name)
    return addresses["email"]


def _read(place: Place, name: str) -> bytes:
    try:
        return place.read(name)
    except MissingObject:
        raise place.unreadable(f"its object {name} is missing.") from None


def _packed(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", compression_level=_LEVEL, statistics=False)
    return file.getvalue()


def _unpacked(
    place: Place, name: str, packed: bytes, schema: Mapping[str, pl.DataType], rows: int
) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(packed))
    except (pl.exceptions.PolarsError, OSError):
        raise _odd(place, name) from None
    if frame.schema != schema or frame.height != rows:
        raise _odd(place, name)
    return frame


def _odd(place: Place, name: str) -> UnreadableSnapshot:
    return place.unreadable(f"its object {name} holds something else than the manifest says.")
