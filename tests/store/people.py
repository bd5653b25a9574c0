"""Rows as a snapshot holds them, and a manifest for them."""

from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl
import polars_hash as plh

from worker.keyring import Keyring
from worker.store.objects import Objects
from worker.store.snapshots import Manifest, SnapshotWriter, commit

EXPORT = "newsletter"
VERSION = "20261124-074200-5f3a9c1b-1"
NEXT = "20261125-074200-0a1b2c3d-1"


def rows(
    numbers: Sequence[int], *, payload: str = "1", tags: int = 1, key: int | None = None
) -> pl.DataFrame:
    """Made-up people by number: the same number is the same address, and the same payload by that name."""
    frame = pl.DataFrame({"number": numbers}, schema={"number": pl.Int64}).select(
        email=pl.format("recognisable.person{}@example.org", "number"),
        payload=pl.format("{} of {}", pl.lit(payload), "number"),
    )
    return frame.select(
        plh.col("email").nchash.xxh3_128().alias("address_hash"),
        plh.col("payload").nchash.xxh3_128().alias("payload_hash"),
        pl.lit(tags, dtype=pl.UInt64).alias("tags"),
        pl.lit(key, dtype=pl.UInt128).alias("key_hash"),
        "email",
    )


def manifest(shards: Sequence[int], **others: Any) -> Manifest:
    made = Manifest(
        export=EXPORT,
        version=VERSION,
        audience_id="a1b2c3d4e5",
        tags=("Loyal customers", "Likely to churn"),
        shards=tuple(shards),
        members=sum(shards),
        made_at="2026-11-24T07:42:00+00:00",
        last_full="2026-11-20T07:42:00+00:00",
    )
    return msgspec.structs.replace(made, **others)


def store(
    objects: Objects, keyring: Keyring, frames: Sequence[pl.DataFrame], *, size: int = 4, **others: Any
) -> Manifest:
    """Write and commit a snapshot of small shards."""
    written = manifest((), **others)
    writer = SnapshotWriter(objects, keyring, written.export, written.version, size=size)
    for frame in frames:
        writer.add(frame)
    shards = writer.close()
    committed = msgspec.structs.replace(written, shards=shards, members=sum(shards))
    commit(objects, keyring, committed)
    return committed
