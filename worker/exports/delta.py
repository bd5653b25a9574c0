"""Send only what changed, and never to who said no: a survey held against what is known of the audience."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import msgspec
import polars as pl

from worker.exports.plan import RowVerdict, Survey

KNOWN: Final = {
    "address_hash": pl.UInt128(),
    "payload_hash": pl.UInt128(),
    "tags": pl.UInt64(),
    "key_hash": pl.UInt128(),
}
NO_PAYLOAD: Final = 0
"""Of a member who was accepted once: whatever is sent next is different, and they can still leave."""
OUT: Final = {"address_hash": pl.UInt128(), "why": pl.UInt8()}
REFUSED: Final = {"address_hash": pl.UInt128(), "payload_hash": pl.UInt128(), "why": pl.UInt8()}
LEFT: Final = {"address_hash": pl.UInt128(), "lost": pl.UInt64(), "gone": pl.Boolean()}


class Why(IntEnum):
    """Why a profile is suppressed."""

    NOTHING = 0
    UNSUBSCRIBED = 1
    CLEANED = 2
    ARCHIVED = 3
    COMPLIANCE = 4
    QUARANTINED = 5


SENTENCES: Final[Mapping[int, tuple[str, str]]] = {
    Why.UNSUBSCRIBED: ("unsubscribed", "This person has unsubscribed from the audience."),
    Why.CLEANED: ("cleaned", "Mail to this address has bounced; Mailchimp has cleaned it from the audience."),
    Why.ARCHIVED: ("archived", "This person was archived in the audience."),
    Why.COMPLIANCE: ("compliance", "Mailchimp says that this person unsubscribed, bounced or complained."),
    Why.QUARANTINED: (
        "quarantined",
        "Mailchimp refused this profile before, and nothing about it has changed since then.",
    ),
}


class Standing(msgspec.Struct, frozen=True):
    """What is known before a run; each frame has unique addresses.

    `accepted` (`KNOWN`): what Mailchimp took last time, its tags as bits of this run's segments; None if
    there is nothing to compare with. `out` (`OUT`): who is not to be written to, whatever the profile says.
    `refused` (`REFUSED`): payloads that Mailchimp refused for good. `asked`: only these addresses are asked
    for, quarantined or not, and whoever has been accepted since is unchanged; None for everybody. `full`:
    send also what has not changed.
    """

    accepted: pl.DataFrame | None = None
    statuses: pl.DataFrame | None = None
    out: pl.DataFrame | None = None
    refused: pl.DataFrame | None = None
    asked: pl.Series | None = None
    full: bool = False


def hold_against(survey: Survey, standing: Standing) -> Survey:
    """The survey with rows that need not or must not be sent marked as such, with `why`."""
    rows = survey.rows.with_columns(pl.lit(int(Why.NOTHING), dtype=pl.UInt8).alias("why"))
    rows = rows.with_columns(_statuses(rows, standing.statuses))
    if standing.asked is not None:
        rows = _only(rows, standing.asked)
    if standing.out is not None and standing.out.height:
        rows = suppressed(rows, standing.out, ["address_hash"])
    if standing.refused is not None and standing.refused.height and standing.asked is None:
        rows = suppressed(rows, standing.refused, ["address_hash", "payload_hash"])
    if standing.accepted is not None and not standing.full:
        rows = _unchanged(rows, standing.accepted, asked=standing.asked is not None)
    return msgspec.structs.replace(survey, rows=rows)


def _only(rows: pl.DataFrame, asked: pl.Series) -> pl.DataFrame:
    """Leaves of each person who is asked for the row that stands for them, and of others none."""
    wanted = pl.col("address_hash").is_in(asked.implode()) & pl.col("kept").is_null()
    verdict = pl.when(wanted).then("verdict").otherwise(int(RowVerdict.NOT_ASKED))
    return rows.with_columns(verdict=verdict.cast(pl.UInt8))


def _unchanged(rows: pl.DataFrame, accepted: pl.DataFrame, *, asked: bool) -> pl.DataFrame:
    on = ["address_hash", "payload_hash"]
    if asked:
        # what was accepted since may be newer than what this run reads
        accepted = accepted.filter(pl.col("payload_hash") != pl.lit(NO_PAYLOAD, dtype=pl.UInt128))
        on = ["address_hash"]
    known = accepted.select(on).with_columns(same=pl.lit(value=True))
    joined = rows.join(known, on=on, how="left", maintain_order="left")
    return _mark(joined, pl.col("same").is_not_null(), RowVerdict.UNCHANGED).drop("same")


def _statuses(rows: pl.DataFrame, known: pl.DataFrame | None) -> pl.Series:
    # most audiences have few whose status is known, and a join copies all rows
    if known is None or known.is_empty():
        return pl.repeat(0, rows.height, dtype=pl.UInt8, eager=True).alias("status")
    addresses = rows.select("address_hash")
    return addresses.join(known, on="address_hash", how="left", maintain_order="left")["status"].fill_null(0)


def suppressed(rows: pl.DataFrame, reasons: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """The rows with those marked that are to be sent and have a reason against it, `why`, by `on`."""
    known = reasons.rename({"why": "reason"})
    joined = rows.join(known, on=list(on), how="left", maintain_order="left")
    hit = pl.col("reason").is_not_null() & (pl.col("verdict") == int(RowVerdict.SEND))
    explained = joined.with_columns(why=pl.when(hit).then("reason").otherwise("why"))
    return _mark(explained, pl.col("reason").is_not_null(), RowVerdict.SUPPRESSED).drop("reason")


def _mark(rows: pl.DataFrame, hit: pl.Expr, verdict: RowVerdict) -> pl.DataFrame:
    """Gives a verdict to those rows that were to be sent."""
    to_be_sent = pl.col("verdict") == int(RowVerdict.SEND)
    return rows.with_columns(
        verdict=pl.when(to_be_sent & hit).then(int(verdict)).otherwise("verdict").cast(pl.UInt8)
    )


def leavers(survey: Survey, standing: Standing) -> pl.DataFrame:
    """Who was accepted before and has left a segment since (`LEFT`).

    `lost` has the bits of the segments that the person left; `gone` says that none is left. Suppressed and
    rejected profiles are still in their segments, so they have left nothing. Who said no is left alone.
    """
    if standing.accepted is None or standing.asked is not None:
        return pl.DataFrame(schema=LEFT)
    held = survey.rows.filter(pl.col("address_hash").is_not_null() & pl.col("kept").is_null())
    now = held.select("address_hash", pl.col("tags").alias("has"))
    before = standing.accepted.select("address_hash", "tags")
    if standing.out is not None:
        before = before.join(standing.out, on="address_hash", how="anti")
    joined = before.join(now, on="address_hash", how="left")
    has = pl.col("has").fill_null(0)
    return (
        joined.with_columns(lost=pl.col("tags") & ~has, gone=pl.col("has").is_null())
        .filter((pl.col("lost") != 0) | pl.col("gone"))
        .select(list(LEFT))
    )


def rebit(masks: pl.Series, old: Sequence[str], new: Sequence[str]) -> pl.Series:
    """Tag masks over the names `old` as masks over the names `new`; names that are no more are left out."""
    bits = {at: new.index(name) for at, name in enumerate(old) if name in new}
    if list(old) == list(new)[: len(old)]:
        return masks
    different = masks.unique().to_list()
    moved = [sum(1 << to for at, to in bits.items() if mask >> at & 1) for mask in different]
    return masks.replace_strict(different, moved, return_dtype=pl.UInt64)
