"""Pass two of planning: the chunks of what is to be sent, and the report lines of the rest."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import polars as pl

from worker.errors import StopRun
from worker.exports.chunks import StagedChunk
from worker.exports.members import head, read_members, tail
from worker.exports.outcomes import ReportLine
from worker.exports.plan import RowVerdict, Survey, columns_of
from worker.exports.unsent import lines_of_unsent

MOST_LINES: Final = 10_000
_BYTES_OF_A_ROW: Final = 4


def stage(survey: Survey) -> Iterator[StagedChunk | list[ReportLine]]:
    """Reads the tables again; yields chunks once they are full, and lists of at most 10,000 report lines.

    Members stand in the order of their rows, table by table; the last chunk may be smaller than the others.

    Raises:
        StopRun: a source can't be read, or has other rows than in pass one.
    """
    chunks, lines = _Chunks(survey.settings.chunk_size), list[ReportLine]()
    first = 0
    for table, height in enumerate(survey.heights):
        for start, batch in _batches(survey, table):
            judged = survey.rows.slice(first + start, batch.height)
            yield from chunks.add(_members(survey, table, start, batch, judged))
            lines.extend(lines_of_unsent(survey, table, start, batch, judged))
            while len(lines) >= MOST_LINES:
                yield lines[:MOST_LINES]
                del lines[:MOST_LINES]
        first += height
    yield from chunks.rest()
    if lines:
        yield lines


def _batches(survey: Survey, number: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Batches of a table with the 0-based row at which each starts."""
    table, start = survey.tables[number], 0
    for batch in table.batches(columns_of(survey.settings, survey.attributes)):
        start += batch.height
        if start <= survey.heights[number]:
            yield start - batch.height, batch
    if start != survey.heights[number]:
        raise StopRun(f"{table.where} changed while it was read: run the export again.")


class _Members(NamedTuple):
    """Members to send: their JSON, and for each a u32 and a u8 as a chunk holds them."""

    json: pl.Series
    rows: bytes
    tables: bytes


def _members(survey: Survey, table: int, start: int, batch: pl.DataFrame, judged: pl.DataFrame) -> _Members:
    sent = judged["verdict"] == RowVerdict.SEND
    members = read_members(batch.filter(sent), survey.settings, survey.attributes)
    json = pl.concat_str(
        head(members, survey.settings, survey.attributes), _tails(survey, judged["tags"].filter(sent))
    )
    rows = (sent.arg_true() + (start + 1)).to_list()
    return _Members(
        members.select(json.alias("json")).to_series(),
        struct.pack(f"<{len(rows)}I", *rows),
        bytes([table]) * len(rows),
    )


def _tails(survey: Survey, masks: pl.Series) -> pl.Expr:
    different = masks.unique().to_list()
    tails = [tail(survey.settings.tags, mask) for mask in different]
    if len(different) == 1:
        return pl.lit(tails[0])
    return pl.lit(masks.replace_strict(different, tails, return_dtype=pl.String))


class _Chunks:
    """Cuts a stream of members into chunks."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._number = 0
        self._waiting = _Members(pl.Series("json", [], dtype=pl.String), b"", b"")

    def add(self, members: _Members) -> Iterator[StagedChunk]:
        """The chunks that are full now."""
        waiting = _Members(
            pl.concat([self._waiting.json, members.json]),
            self._waiting.rows + members.rows,
            self._waiting.tables + members.tables,
        )
        whole = len(waiting.tables) - len(waiting.tables) % self._size
        for start in range(0, whole, self._size):
            yield self._chunk(_part(waiting, start, start + self._size))
        self._waiting = _part(waiting, whole, len(waiting.tables))

    def rest(self) -> Iterator[StagedChunk]:
        """The last chunk, if anything is left."""
        if self._waiting.tables:
            yield self._chunk(self._waiting)

    def _chunk(self, members: _Members) -> StagedChunk:
        joined: str = members.json.str.join(",").item()
        number, self._number = self._number, self._number + 1
        return StagedChunk(
            number=number,
            count=len(members.tables),
            body=b'{"members":[%b],"update_existing":true}' % joined.encode(),
            rows=members.rows,
            segments=members.tables,
        )


def _part(members: _Members, start: int, end: int) -> _Members:
    return _Members(
        members.json.slice(start, end - start),
        members.rows[start * _BYTES_OF_A_ROW : end * _BYTES_OF_A_ROW],
        members.tables[start:end],
    )
