"""A report as a file for people: CSV that a spreadsheet may open, or NDJSON with the exact values."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

import msgspec
from msgspec.structs import asdict, astuple

from worker.exports.outcomes import ReportLine

COLUMNS: Final = ReportLine.__struct_fields__

# the last one is the minus that Unicode's own raised and lowered ones stand for
_SIGNS: Final = ("=", "+", "-", "@", "\u2212")
_TRIMMED_BY_SOME: Final = ("\t", "\r")
_LINE_BREAKS: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def to_csv(lines: Iterable[ReportLine], out: TextIO) -> None:
    """Write a heading and a row for each line, as text that no spreadsheet takes for a formula."""
    out.writelines(csv_text(lines))


def to_ndjson(lines: Iterable[ReportLine], out: TextIO) -> None:
    """Write a JSON object a line."""
    out.writelines(ndjson_text(lines))


def csv_text(lines: Iterable[ReportLine]) -> Iterator[str]:
    """A heading and a row for each line.

    Every cell is quoted; a `'` stands before what could begin a formula, invisible characters
    before it included; a line break within a cell is a space, NUL is left out.
    """
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for line in lines:
        yield writer.writerow([_cell(value) for value in astuple(line)])


def ndjson_text(lines: Iterable[ReportLine]) -> Iterator[str]:
    """A JSON object for each line, with the same names as the CSV's columns and the values as they are."""
    for line in lines:
        yield msgspec.json.encode(asdict(line)).decode() + "\n"


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _cell(value: str | int) -> str | int:
    if isinstance(value, int):
        return value
    text = value.replace("\0", "")
    guard = "'" if _may_be_formula(text) else ""
    return guard + _LINE_BREAKS.sub(" ", text)


def _may_be_formula(text: str) -> bool:
    if text.startswith(_TRIMMED_BY_SOME):
        return True
    first = next((letter for letter in text if not _is_invisible(letter)), "")
    # whatever Unicode counts as one of the signs: full-width, small, raised and lowered ones too
    return unicodedata.normalize("NFKC", first).startswith(_SIGNS)


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}
