"""What was last read of an audience: who is not plainly subscribed. Hashes and statuses, no addresses."""

import io
from datetime import datetime
from typing import Final

import msgspec
import polars as pl

from worker.store.interface import MissingObject, Objects, Sealer, damaged

FORMAT: Final = 1
STATUSES: Final = {"address_hash": pl.UInt128(), "status": pl.UInt8()}
_ROOT: Final = "audiences"


class Remembered(msgspec.Struct, frozen=True):
    """The members whose status was not `subscribed`, as `STATUSES` describes the frame.

    `read_at` is when the last reading began, `whole_at` when the last reading of everything did.
    """

    rows: pl.DataFrame
    read_at: datetime
    whole_at: datetime


class _Stored(msgspec.Struct):
    format: int
    read_at: datetime
    whole_at: datetime
    rows: bytes


def load_audience(objects: Objects, keyring: Sealer, connection: str, audience_id: str) -> Remembered | None:
    """What is remembered of an audience; None if nothing is, or nothing that this version can read.

    Raises:
        RetryLater: the store can't be reached for the moment.
        TellOperator: what is there was changed, or no key opens it.
    """
    path = _path(connection, audience_id)
    try:
        content = keyring.open(objects.get(path), path)
    except MissingObject:
        return None
    try:
        stored = msgspec.msgpack.decode(content, type=_Stored)
        if stored.format != FORMAT:
            return None
        rows = pl.read_ipc(io.BytesIO(stored.rows))
    except (msgspec.DecodeError, UnicodeDecodeError, pl.exceptions.PolarsError):
        raise damaged(objects.where, path) from None
    return Remembered(rows, stored.read_at, stored.whole_at)


def save_audience(
    objects: Objects, keyring: Sealer, connection: str, audience_id: str, remembered: Remembered
) -> None:
    """Replace what is remembered of an audience.

    Raises:
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is full or unfit.
    """
    path = _path(connection, audience_id)
    buffer = io.BytesIO()
    remembered.rows.write_ipc(buffer, compression="zstd")
    stored = _Stored(FORMAT, remembered.read_at, remembered.whole_at, buffer.getvalue())
    objects.put(path, keyring.seal(msgspec.msgpack.encode(stored), path))


def forget_audiences(objects: Objects, connection: str) -> None:
    """Delete what is remembered of all audiences of a connection."""
    objects.delete_prefix(f"{_ROOT}/{connection}")


def _path(connection: str, audience_id: str) -> str:
    return f"{_ROOT}/{connection}/{audience_id}"
