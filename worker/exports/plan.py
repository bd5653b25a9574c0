"""What a plan is made from, and what its first pass finds out."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate
from typing import Final, Protocol

import msgspec
import polars as pl

from worker.exports.attributes import Attribute, OnBadValue, OnNull
from worker.exports.definitions import AddressColumns
from worker.exports.runs import Lint

EXAMPLES: Final = 10
"""Rows that are named, of however many are meant."""

ROWS: Final = {
    "address_hash": pl.UInt128(),
    "payload_hash": pl.UInt128(),
    "verdict": pl.UInt8(),
    "key_hash": pl.UInt128(),
    "tags": pl.UInt64(),
    "kept": pl.UInt32(),
}


class Table(Protocol):
    """The rows of a segment, the same ones in the same order each time they are read."""

    @property
    def segment(self) -> str:
        """The segment's name."""

    @property
    def where(self) -> str:
        """What a person calls the source: a path."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of all columns."""

    @property
    def kinds(self) -> Mapping[str, pl.DataType]:
        """The types of all columns."""

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """All rows, with these columns, in frames of moderate height.

        Raises:
            StopRun: they can't be read.
        """


class PlanSettings(msgspec.Struct, frozen=True):
    """How profiles become members.

    `attributes` names for each merge tag a column, or the columns of an address. `tags` has a name for each
    table, or is empty; an empty name sets no tag. `max_profiles` counts rows of all tables. `key` is
    the column that tells a person whose address changed. `skip_required` lets required merge fields be
    without an attribute. `status_for_all`
    and `tags_in_call` say how the audience is written to: with a `status` for everybody instead of
    `status_if_new`, and with tags in the batch call.
    """

    email: str
    attributes: Mapping[str, str | AddressColumns] = {}
    status_if_new: str = "subscribed"
    tags: tuple[str, ...] = ()
    max_profiles: int = 1_000_000
    chunk_size: int = 500
    on_null: OnNull = "clear"
    on_bad_value: OnBadValue = "omit"
    key: str | None = None
    skip_required: bool = False
    status_for_all: bool = False
    tags_in_call: bool = True


class RowVerdict(IntEnum):
    """What is to become of a row."""

    SEND = 0
    MISSING = 1
    MALFORMED = 2
    DUPLICATE = 3
    REJECTED = 4
    UNCHANGED = 5
    SUPPRESSED = 6
    NOT_ASKED = 7


class Survey(msgspec.Struct, frozen=True):
    """What the first pass knows: for each row some numbers, never its text.

    `rows` has a row for each profile of all tables, in their order, whose heights are `heights`:

    - `address_hash`: xxh3-128 of the cleaned address; null where there is none.
    - `payload_hash`: stands for exactly what is sent of a profile, its tags and `status_if_new` included. The
      same from run to run; it has a meaning for kept rows only, those that no earlier row has the address of.
    - `verdict`: a `RowVerdict`; staging sends the rows whose verdict says so.
    - `key_hash`: xxh3-128 of the person's key; null without one.
    - `tags`: bit n is set when table n holds the address; has a meaning for kept rows only.
    - `kept`: of a duplicate, the 0-based number in `rows` of the row that stands for it.
    - `why`: of a suppressed row, a `worker.exports.delta.Why`; only there once the survey was held against
      what is known.

    `bad_values`, `cut_values` and `missing_values` count, by merge tag, the kept profiles whose value does
    not fit the field, had to be cut, or is not there though the field is required; `bad_rows`, `cut_rows`
    and `missing_rows` are the 0-based numbers in `rows` of the first of them.
    """

    tables: Sequence[Table]
    settings: PlanSettings
    attributes: Sequence[Attribute]
    heights: Sequence[int]
    rows: pl.DataFrame
    bad_values: Mapping[str, int]
    cut_values: Mapping[str, int]
    bad_rows: Mapping[str, Sequence[int]] = {}
    cut_rows: Mapping[str, Sequence[int]] = {}
    missing_values: Mapping[str, int] = {}
    missing_rows: Mapping[str, Sequence[int]] = {}

    def counts(self) -> dict[str, int]:
        """Profiles read, and what becomes of them; all others add up to `read`."""
        verdicts = self.rows["verdict"]
        of = {verdict: int((verdicts == verdict).sum()) for verdict in RowVerdict}
        return {
            "read": self.rows.height - of[RowVerdict.NOT_ASKED],
            "invalid": of[RowVerdict.MISSING] + of[RowVerdict.MALFORMED],
            "duplicate": of[RowVerdict.DUPLICATE],
            "rejected": of[RowVerdict.REJECTED],
            "unchanged": of[RowVerdict.UNCHANGED],
            "suppressed": of[RowVerdict.SUPPRESSED],
            "to_send": of[RowVerdict.SEND],
        }

    def place(self, number: int) -> tuple[int, int]:
        """The table of a row and its 1-based row there, of its 0-based number in `rows`."""
        ends = list(accumulate(self.heights))
        table = bisect_right(ends, number)
        return table, number - ends[table] + self.heights[table] + 1

    def lint(self) -> dict[str, Lint]:
        """What does not fit the merge fields, by merge tag, of those where anything does not."""
        return {
            tag: Lint(
                bad, self.cut_values[tag], [self._named(number) for number in self._examples(tag)], missing
            )
            for tag, bad in self.bad_values.items()
            if (missing := self.missing_values.get(tag, 0)) or bad or self.cut_values[tag]
        }

    def _examples(self, tag: str) -> Sequence[int]:
        marked = (self.bad_rows, self.missing_rows, self.cut_rows)
        return [number for rows in marked for number in rows.get(tag, ())][:EXAMPLES]

    def _named(self, number: int) -> str:
        table, row = self.place(number)
        return f"{self.tables[table].segment}:{row}"


def columns_of(settings: PlanSettings, attributes: Sequence[Attribute]) -> list[str]:
    """The columns that are read, each once."""
    mapped = (column for attribute in attributes for column in attribute.columns.values())
    keys = () if settings.key is None else (settings.key,)
    return list(dict.fromkeys((settings.email, *keys, *mapped)))
