"""Pass two of planning: the chunks of what is to be sent, and the report lines of the rest."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import polars as pl

from worker.errors import StopRun
from worker.exports.chunks import StagedChunk
from worker.exports.members import head, json_text, read_members, tail
from worker.exports.outcomes import ReportLine
from worker.exports.plan import RowVerdict, Survey, columns_of
from worker.exports.statuses import NAMES, UNKNOWN
from worker.exports.unsent import lines_of_unsent

MOST_LINES: Final = 10_000
_BYTES_OF_A_ROW: Final = 4


def stage(survey: Survey, first_number: int = 0) -> Iterator[StagedChunk | list[ReportLine] | pl.DataFrame]:
    """Reads the tables again; yields chunks once they are full, and lists of at most 10,000 report lines.

    Members stand in the order of their rows, table by table; chunks are numbered from `first_number` on, and
    the last one may be smaller than the others.
    The frames in between are the members of the chunks as a snapshot remembers them: `address_hash`,
    `payload_hash`, `tags`, `key_hash` and `email`.

    Raises:
        StopRun: a source can't be read, or has other rows than in pass one.
    """
    chunks, lines = _Chunks(survey.settings.chunk_size, first_number), list[ReportLine]()
    first = 0
    for table, height in enumerate(survey.heights):
        for start, batch in _batches(survey, table):
            judged = survey.rows.slice(first + start, batch.height)
            members = _members(survey, table, start, batch, judged)
            if members.remembered.height:
                yield members.remembered
            yield from chunks.add(members)
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
    """Members to send: their JSON, for each a u32 and a u8 as a chunk holds them, and what to remember."""

    json: pl.Series
    rows: bytes
    tables: bytes
    statuses: bytes
    remembered: pl.DataFrame = pl.DataFrame()


def _members(survey: Survey, table: int, start: int, batch: pl.DataFrame, judged: pl.DataFrame) -> _Members:
    sent = judged["verdict"] == RowVerdict.SEND
    members = read_members(batch.filter(sent), survey.settings, survey.attributes)
    chosen = judged.filter(sent)
    json = _in_the_audiences_way(survey, members, chosen)
    rows = (sent.arg_true() + (start + 1)).to_list()
    return _Members(
        members.select(json.alias("json")).to_series(),
        struct.pack(f"<{len(rows)}I", *rows),
        bytes([table]) * len(rows),
        bytes(chosen["status"].to_list()) if "status" in chosen.columns else bytes(len(rows)),
        chosen.select("address_hash", "payload_hash", "tags", "key_hash").with_columns(members["email"]),
    )


def _in_the_audiences_way(survey: Survey, members: pl.DataFrame, chosen: pl.DataFrame) -> pl.Expr:
    """The JSON of members as the audience takes it: with tags or not, a status for all or for new ones."""
    settings = survey.settings
    start = head(members, settings, survey.attributes)
    if settings.status_for_all:
        known = chosen["status"].replace_strict(
            {UNKNOWN: settings.status_if_new, **NAMES}, return_dtype=pl.String
        )
        given = json_text(settings.status_if_new)
        status = pl.lit('"status":"' + known + '"')
        start = start.str.replace(f'"status_if_new":{given}', status, literal=True)
    if not settings.tags_in_call:
        return pl.concat_str(start, pl.lit("}"))
    return pl.concat_str(start, _tails(survey, chosen["tags"]))


def _tails(survey: Survey, masks: pl.Series) -> pl.Expr:
    different = masks.unique().to_list()
    tails = [tail(survey.settings.tags, mask) for mask in different]
    if len(different) == 1:
        return pl.lit(tails[0])
    return pl.lit(masks.replace_strict(different, tails, return_dtype=pl.String))


class _Chunks:
    """Cuts a stream of members into chunks."""

    def __init__(self, size: int, first_number: int) -> None:
        self._size = size
        self._number = first_number
        self._waiting = _Members(pl.Series("json", [], dtype=pl.String), b"", b"", b"")

    def add(self, members: _Members) -> Iterator[StagedChunk]:
        """The chunks that are full now."""
        waiting = _Members(
            pl.concat([self._waiting.json, members.json]),
            self._waiting.rows + members.rows,
            self._waiting.tables + members.tables,
            self._waiting.statuses + members.statuses,
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
            known=members.statuses if any(members.statuses) else b"",
        )


def _part(members: _Members, start: int, end: int) -> _Members:
    return _Members(
        members.json.slice(start, end - start),
        members.rows[start * _BYTES_OF_A_ROW : end * _BYTES_OF_A_ROW],
        members.tables[start:end],
        members.statuses[start:end],
    )
