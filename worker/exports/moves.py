"""People whose address changed: found by the key that the source has for them."""

import polars as pl

from worker.exports.plan import RowVerdict, Survey

MOVED = {"address_hash": pl.UInt128(), "old_hash": pl.UInt128()}


def find_moves(found: Survey, accepted: pl.DataFrame | None) -> pl.DataFrame:
    """Who is to be sent under a new address and was accepted under an old one (`MOVED`).

    The old address must be nobody's in the segments any more, and the new one must not have been accepted.
    A key that stands for several people on either side stands for nobody.
    """
    if accepted is None:
        return pl.DataFrame(schema=MOVED)
    known = pl.col("key_hash").is_not_null() & pl.col("key_hash").is_unique()
    held = found.rows.filter(pl.col("address_hash").is_not_null()).select("address_hash")
    now = found.rows.filter((pl.col("verdict") == int(RowVerdict.SEND)) & known)
    before = accepted.filter(known).join(held, on="address_hash", how="anti")
    new = now.join(accepted, on="address_hash", how="anti").select("address_hash", "key_hash")
    old = before.select(pl.col("address_hash").alias("old_hash"), "key_hash")
    return new.join(old, on="key_hash", how="inner").select(list(MOVED))
