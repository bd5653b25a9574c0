"""Duplicates: several rows with one address are one member, who has the tags of all of them."""

from collections.abc import Sequence

import polars as pl

from worker.exports.plan import ROWS, RowVerdict


def fold(rows: pl.DataFrame, heights: Sequence[int]) -> pl.DataFrame:
    """Keeps the first row of each address and adds `tags` and `kept`, as `Survey` describes them.

    The first one is that of the lowest row in the first table that has the address, whatever else is wrong
    with it.
    """
    address, verdict = rows["address_hash"], rows["verdict"]
    tags = _bits(heights)
    kept = pl.repeat(None, rows.height, dtype=ROWS["kept"], eager=True)
    first = address.is_first_distinct()
    again = (~first & address.is_not_null()).arg_true()
    if again.len():
        pairs = _pairs(address, first, again, tags)
        verdict = verdict.scatter(pairs["row"], RowVerdict.DUPLICATE)
        kept = kept.scatter(pairs["row"], pairs["kept"])
        union = pairs.group_by("kept").agg(pl.col("tags").bitwise_or())
        tags = tags.scatter(union["kept"], tags.gather(union["kept"]) | union["tags"])
    return rows.with_columns(verdict.alias("verdict"), tags.alias("tags"), kept.alias("kept"))


def _bits(heights: Sequence[int]) -> pl.Series:
    parts = [
        pl.repeat(1 << bit, height, dtype=ROWS["tags"], eager=True) for bit, height in enumerate(heights)
    ]
    return pl.concat(parts)


def _pairs(address: pl.Series, first: pl.Series, again: pl.Series, tags: pl.Series) -> pl.DataFrame:
    """Each later row of an address beside the first one: `row`, `kept`, and the later row's `tags`."""
    later = pl.DataFrame({"address": address.gather(again), "row": again, "tags": tags.gather(again)})
    wanted = address.is_in(later["address"].unique().implode()) & first
    firsts = pl.DataFrame({"address": address.filter(wanted), "kept": wanted.arg_true()})
    return later.join(firsts, on="address", how="inner", maintain_order="left")
