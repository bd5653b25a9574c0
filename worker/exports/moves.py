"""People whose address changed: found by the key that the source has for them."""

from typing import Final

import msgspec
import polars as pl

from worker.exports.delta import Why, suppressed
from worker.exports.plan import RowVerdict, Survey
from worker.exports.statuses import UNKNOWN

MOVED: Final = {"address_hash": pl.UInt128(), "old_hash": pl.UInt128()}
_SAID_NO: Final = (Why.UNSUBSCRIBED, Why.ARCHIVED)


def find_moves(found: Survey, accepted: pl.DataFrame | None) -> pl.DataFrame:
    """Who is to be sent under a new address and was accepted under an old one (`MOVED`).

    The old address must be nobody's in the segments any more, and the new one must not have been accepted.
    A key that stands for several people on either side stands for nobody.
    """
    if accepted is None:
        return pl.DataFrame(schema=MOVED)
    known = pl.col("key_hash").is_not_null() & pl.col("key_hash").is_unique()
    held = found.rows.filter(pl.col("address_hash").is_not_null()).select("address_hash")
    # a person in several segments has as many rows, and one that is kept
    people = found.rows.filter(pl.col("kept").is_null()).filter(known)
    now = people.filter(pl.col("verdict") == int(RowVerdict.SEND))
    before = accepted.filter(known).join(held, on="address_hash", how="anti")
    new = now.join(accepted, on="address_hash", how="anti").select("address_hash", "key_hash")
    old = before.select(pl.col("address_hash").alias("old_hash"), "key_hash")
    return new.join(old, on="key_hash", how="inner").select(list(MOVED))


def hold_those_out(
    found: Survey, moves: pl.DataFrame, out: pl.DataFrame | None
) -> tuple[Survey, pl.DataFrame]:
    """The survey and the moves without those who are out (`OUT`) under their old address.

    Whoever said no has said it whatever their address is now: they are suppressed. An address that bounced
    says nothing of the new one, which is sent as any other.
    """
    if out is None or moves.is_empty():
        return found, moves
    old = moves.join(out.rename({"address_hash": "old_hash"}), on="old_hash", how="inner")
    said_no = old.filter(pl.col("why").is_in([int(why) for why in _SAID_NO])).select("address_hash", "why")
    rows = suppressed(found.rows, said_no, ["address_hash"])
    return msgspec.structs.replace(found, rows=rows), moves.join(old, on="old_hash", how="anti")


def with_old_statuses(found: Survey, moves: pl.DataFrame, statuses: pl.DataFrame) -> Survey:
    """The survey with the status of their old address for those who move and have none of their own yet."""
    old = statuses.select(old_hash="address_hash", old="status")
    moved = moves.join(old, on="old_hash", how="inner").select("address_hash", "old")
    rows = found.rows.join(moved, on="address_hash", how="left", maintain_order="left")
    own, others = pl.col("status"), pl.col("old").fill_null(UNKNOWN)
    known = rows.with_columns(status=pl.when(own == UNKNOWN).then(others).otherwise(own)).drop("old")
    return msgspec.structs.replace(found, rows=known)
