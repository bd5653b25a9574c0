"""Read, clean, compare, split into chunks: a segment becomes calls.

Two passes over the sources. `survey` reads everything and remembers some 50 bytes of numbers for each
profile, never its text; `stage` reads again and makes the chunks of what is to be sent. So memory depends on
the number of profiles and not on what they hold, and the same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl
import polars_hash as plh

from worker.errors import StopRun
from worker.exports.attributes import Attribute, MergeField
from worker.exports.chunks import StagedChunk
from worker.exports.folding import fold
from worker.exports.mapping import check_columns, check_kinds, match_fields
from worker.exports.members import head, read_members, tail
from worker.exports.plan import EXAMPLES, ROWS, PlanSettings, RowVerdict, Survey, Table, columns_of
from worker.exports.staging import stage

__all__ = ["PlanSettings", "RowVerdict", "StagedChunk", "Survey", "Table", "stage", "survey"]

_MARKS: Final = ("bad", "cut", "missing")


def survey(tables: Sequence[Table], settings: PlanSettings, fields: Sequence[MergeField]) -> Survey:
    """Pass one: reads all tables, in the order of the export's segments, and gives each row its verdict.

    `fields` are the audience's merge fields.

    Raises:
        StopRun: a column or merge field is missing or does not fit, there are more profiles than the export
            may have, or a source can't be read.
    """
    attributes = match_fields(settings, fields)
    columns = columns_of(settings, attributes)
    check_columns(tables, columns)
    notes = _Notes(settings, attributes)
    heights = [notes.read(table, columns) for table in tables]
    rows = fold(notes.rows(), heights)
    bad, cut, missing = (notes.kept(mark, rows) for mark in _MARKS)
    return Survey(
        tables=tables,
        settings=settings,
        attributes=attributes,
        heights=heights,
        rows=_with_tags_in_payload(rows, settings.tags),
        bad_values=_counted(bad),
        cut_values=_counted(cut),
        missing_values=_counted(missing),
        bad_rows=_first(bad),
        cut_rows=_first(cut),
        missing_rows=_first(missing),
    )


class _Notes:
    """What is remembered of the rows while they pass by."""

    def __init__(self, settings: PlanSettings, attributes: Sequence[Attribute]) -> None:
        self._settings = settings
        self._attributes = attributes
        self._height = 0
        self._frames = list[pl.DataFrame]()
        self._marked = dict[str, list[pl.Series]]()

    def read(self, table: Table, columns: Sequence[str]) -> int:
        """Reads a table; gives its height."""
        before = self._height
        for batch in table.batches(columns):
            if self._height == before:
                check_kinds(table.where, batch.schema)
            if self._height + batch.height > self._settings.max_profiles:
                raise StopRun(_too_many(self._settings.max_profiles))
            self._note(read_members(batch, self._settings, self._attributes), self._keys(batch))
        return self._height - before

    def rows(self) -> pl.DataFrame:
        """The hashes and the verdict of all rows, as far as a row can be judged by itself."""
        empty = pl.DataFrame(
            schema={name: ROWS[name] for name in ("address_hash", "payload_hash", "verdict", "key_hash")}
        )
        frames, self._frames = self._frames, []
        return pl.concat([empty, *frames])

    def kept(self, mark: str, rows: pl.DataFrame) -> dict[str, pl.Series]:
        """The numbers of the kept rows that carry the mark, one of `_MARKS`, by merge tag."""
        kept = rows["verdict"].is_in([RowVerdict.SEND, RowVerdict.REJECTED])
        nobody = pl.Series(dtype=pl.UInt32)
        tags = [attribute.field.tag for attribute in self._attributes]
        marked = {tag: pl.concat([nobody, *self._marked.get(f"{mark} {tag}", ())]) for tag in tags}
        return {tag: numbers.filter(kept.gather(numbers)) for tag, numbers in marked.items()}

    def _keys(self, batch: pl.DataFrame) -> pl.Series:
        if self._settings.key is None:
            return pl.repeat(None, batch.height, dtype=ROWS["key_hash"], eager=True).alias("key_hash")
        keys = batch.select(pl.col(self._settings.key).cast(pl.String).alias("key"))
        hashed = plh.col("key").nchash.xxh3_128()
        known = pl.col("key").is_not_null() & (pl.col("key") != "")
        return keys.select(pl.when(known).then(hashed).alias("key_hash")).to_series()

    def _note(self, members: pl.DataFrame, keys: pl.Series) -> None:
        settings, attributes = self._settings, self._attributes
        texts = members.select(
            "email", "missing", rejected=self._is_rejected(), head=head(members, settings, attributes)
        )
        self._frames.append(
            texts.select(
                plh.col("email").nchash.xxh3_128().alias("address_hash"),
                plh.col("head").nchash.xxh3_128().alias("payload_hash"),
                _verdict().alias("verdict"),
            ).with_columns(keys)
        )
        for name in (f"{mark} {attribute.field.tag}" for attribute in attributes for mark in _MARKS):
            numbers = members[name].arg_true() if name in members.columns else pl.Series(dtype=pl.UInt32)
            if numbers.len():
                self._marked.setdefault(name, []).append(numbers + self._height)
        self._height += members.height

    def _is_rejected(self) -> pl.Expr:
        if self._settings.on_bad_value == "omit" or not self._attributes:
            return pl.lit(value=False)
        return pl.any_horizontal(f"bad {attribute.field.tag}" for attribute in self._attributes)


def _counted(marked: Mapping[str, pl.Series]) -> dict[str, int]:
    return {tag: numbers.len() for tag, numbers in marked.items()}


def _first(marked: Mapping[str, pl.Series]) -> dict[str, list[int]]:
    return {tag: numbers.head(EXAMPLES).to_list() for tag, numbers in marked.items()}


def _verdict() -> pl.Expr:
    return (
        pl.when("missing")
        .then(RowVerdict.MISSING)
        .when(pl.col("email").is_null())
        .then(RowVerdict.MALFORMED)
        .when("rejected")
        .then(RowVerdict.REJECTED)
        .otherwise(RowVerdict.SEND)
        .cast(pl.UInt8)
    )


def _with_tags_in_payload(rows: pl.DataFrame, tags: Sequence[str]) -> pl.DataFrame:
    """Tags are known only when all tables are read, so their hash is added to that of the rest."""
    if rows.is_empty():
        return rows
    masks = rows["tags"].unique().to_list()
    tails = pl.DataFrame({"tail": [tail(tags, mask) for mask in masks]}, schema={"tail": pl.String})
    hashes = tails.select(plh.col("tail").nchash.xxh3_128()).to_series()
    added = pl.col("tags").replace_strict(masks, hashes, return_dtype=pl.UInt128)
    return rows.with_columns(pl.col("payload_hash").xor(added))


def _too_many(limit: int) -> str:
    return (
        f"The export's segments hold more than {limit:,} profiles, which is its limit: raise max_profiles as "
        "far as Mailchimp's contract allows, or export smaller segments."
    )
