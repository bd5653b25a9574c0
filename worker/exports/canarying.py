"""Who goes first on an audience that is not known: a few members, of as many kinds as there are."""

from typing import Final

import msgspec
import polars as pl

from worker.exports.plan import RowVerdict, Survey
from worker.exports.statuses import UNKNOWN

_OF_KNOWN_STATUS: Final = 3
_OTHERS: Final = 3


def everybody_but(found: Survey, chosen: pl.Series | None) -> pl.DataFrame:
    """The rows to be sent, as `row` and `address_hash`, without the chosen ones."""
    rows = found.rows.with_row_index("row").filter(pl.col("verdict") == int(RowVerdict.SEND))
    return rows if chosen is None else rows.filter(~pl.col("row").is_in(chosen.implode()))


def choose_canary(found: Survey, moving: pl.Series) -> tuple[Survey, Survey]:
    """The survey of the members that go first, and that of the others.

    Members whose status is known to be another than subscribed show most; the others may be new or not.
    Those `moving` (address hashes) are to be moved before they are sent, so somebody else goes first.
    """
    everybody = everybody_but(found, None)
    staying = everybody.filter(~pl.col("address_hash").is_in(moving.implode()))
    waiting = everybody if staying.is_empty() else staying
    known = waiting.filter(pl.col("status") != UNKNOWN).head(_OF_KNOWN_STATUS)
    others = waiting.filter(pl.col("status") == UNKNOWN).head(_OTHERS)
    chosen = pl.concat([known["row"], others["row"]])
    return _only(found, chosen, keep=True), _only(found, chosen, keep=False)


def only_these(found: Survey, addresses: pl.Series) -> Survey:
    """The survey with only the members of these addresses to be sent."""
    rows = everybody_but(found, None)
    chosen = rows.filter(pl.col("address_hash").is_in(addresses.implode()))["row"]
    return _only(found, chosen, keep=True)


def _only(found: Survey, chosen: pl.Series, *, keep: bool) -> Survey:
    rows = found.rows.with_row_index("row")
    is_chosen = pl.col("row").is_in(chosen.implode())
    sent = pl.col("verdict") == int(RowVerdict.SEND)
    elsewhere = sent & (~is_chosen if keep else is_chosen)
    verdict = pl.when(elsewhere).then(int(RowVerdict.NOT_ASKED)).otherwise("verdict").cast(pl.UInt8)
    return msgspec.structs.replace(found, rows=rows.with_columns(verdict=verdict).drop("row"))
