"""Who is in for what: the rows of a survey by their fate, and the addresses of a few of them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

import polars as pl

from worker.exports.plan import EXAMPLES, RowVerdict, Survey, columns_of
from worker.exports.preview import Example
from worker.exports.unsent import addresses_as_read, lines_of_unsent

_FATES: Final[Mapping[str, Collection[RowVerdict]]] = {
    "unchanged": [RowVerdict.UNCHANGED],
    "suppressed": [RowVerdict.SUPPRESSED],
    "rejected": [RowVerdict.REJECTED],
    "invalid": [RowVerdict.MISSING, RowVerdict.MALFORMED],
    "duplicate": [RowVerdict.DUPLICATE],
}


def by_fate(found: Survey, accepted: pl.DataFrame | None, moves: pl.DataFrame) -> dict[str, pl.Series]:
    """The 0-based numbers of rows by what is to become of them, as `Preview.would` names it."""
    rows = found.rows.with_row_index("row")
    sent = rows.filter(pl.col("verdict") == int(RowVerdict.SEND))
    moved = sent.filter(pl.col("address_hash").is_in(moves["address_hash"].implode()))
    unsent = {
        fate: rows.filter(pl.col("verdict").is_in(list(verdicts)))["row"] for fate, verdicts in _FATES.items()
    }
    return {**_sent(sent, accepted), **unsent, "moved": moved["row"]}


def _sent(sent: pl.DataFrame, accepted: pl.DataFrame | None) -> dict[str, pl.Series]:
    if accepted is None:
        return {"new": sent["row"], "changed": sent["row"].clear(), "again": sent["row"].clear()}
    before = accepted.select("address_hash", before="payload_hash")
    compared = sent.join(before, on="address_hash", how="left", maintain_order="left")
    same = pl.col("before") == pl.col("payload_hash")
    return {
        "new": compared.filter(pl.col("before").is_null())["row"],
        "changed": compared.filter(~same)["row"],
        "again": compared.filter(same)["row"],
    }


def examples(found: Survey, fates: Mapping[str, pl.Series]) -> dict[str, list[Example]]:
    """The first rows of each fate; reads the tables as far as the last of them.

    Raises:
        StopRun: a source can't be read.
    """
    chosen = {fate: rows.head(EXAMPLES).to_list() for fate, rows in fates.items()}
    wanted = {row for rows in chosen.values() for row in rows}
    read = dict(_read(found, wanted))
    return {fate: [read[row] for row in rows] for fate, rows in chosen.items()}


class _Part(NamedTuple):
    """A batch with some rows that are wanted: its table, its first row there and in the survey (0-based)."""

    table: int
    start: int
    first: int
    batch: pl.DataFrame
    wanted: list[int]


def _read(found: Survey, wanted: Collection[int]) -> Iterator[tuple[int, Example]]:
    for part in _parts(found, sorted(wanted)):
        segment, whys = found.tables[part.table].segment, _whys(found, part)
        emails = addresses_as_read(found, part.batch[part.wanted])
        for position, email in zip(part.wanted, emails, strict=True):
            row = part.start + position + 1
            yield part.first + position, Example(email.strip(), f"{segment}:{row}", whys.get(row, ""))


def _parts(found: Survey, wanted: list[int]) -> Iterator[_Part]:
    """The batches that hold wanted rows; reads no further than the last of them."""
    rest, first = list(wanted), 0
    for number, table in enumerate(found.tables):
        start = 0
        batches = table.batches(columns_of(found.settings, found.attributes)) if rest else ()
        for batch in batches:
            end = first + start + batch.height
            inside = [row - first - start for row in rest if row < end]
            rest = rest[len(inside) :]
            if inside:
                yield _Part(number, start, first + start, batch, inside)
            if not rest:
                return
            start += batch.height
        first += found.heights[number]


def _whys(found: Survey, part: _Part) -> dict[int, str]:
    """Why those of these rows that are not sent are not, by their row in the table."""
    judged = found.rows.slice(part.first, part.batch.height)
    others = ~pl.int_range(pl.len()).is_in(part.wanted)
    verdict = pl.when(others).then(int(RowVerdict.NOT_ASKED)).otherwise("verdict").cast(pl.UInt8)
    lines = lines_of_unsent(found, part.table, part.start, part.batch, judged.with_columns(verdict=verdict))
    return {line.row: f"{line.code} {line.field}".rstrip() for line in lines}
