"""CSV sources: every value is text as it stands, for a guess would cost leading zeros."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from worker.errors import StopRun
from worker.sources.rewriting import MOST_COLUMNS, ROWS_AT_A_TIME, as_frame, write_texts

_LONGEST_FIELD: Final = 16 << 20


def take_csv(source: BinaryIO, where: str, target: Path) -> None:
    """Rewrites comma-separated UTF-8 text with a header line (RFC 4180) as Parquet.

    Blank lines are skipped, and so are columns without a name. Every sentence names the file and the line.

    Raises:
        StopRun: wrong encoding, NUL, ragged rows, a misplaced or unclosed quote, a bad header.
        OSError: reading or writing failed.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        rows = _rows(text, where)
        header = next(rows, None)
        if header is None:
            raise StopRun(f"{where} holds no header line: put the names of the columns into its first line.")
        _check_header(header, where)
        write_texts(_frames(header, rows), list(filter(None, header)), target)
    except UnicodeDecodeError:
        raise StopRun(
            f"{where} is not UTF-8 in line {_undecodable_line(source)}: save the file in UTF-8."
        ) from None
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper, where: str) -> Iterator[list[str]]:
    reader = csv.reader(_lines(text, where), strict=True)
    begins, width = 1, 0
    try:
        for row in reader:
            if len(row) != width and row:
                width = width or len(row)
                if len(row) != width:
                    raise StopRun(_ragged(where, reader.line_num, len(row), width))
            if row:
                yield row
            begins = reader.line_num + 1
    except csv.Error:
        raise StopRun(
            f"{where} has a misplaced or unclosed quotation mark, or a field of more than 16 MiB, in the "
            f"record that begins in line {begins}: close every quoted field, and double the marks inside it."
        ) from None


def _lines(text: io.TextIOWrapper, where: str) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if "\0" in line:
            raise StopRun(
                f"{where} holds a NUL character in line {number}: save the file as plain UTF-8 text."
            )
        yield line


def _frames(header: list[str], rows: Iterator[list[str]]) -> Iterator[pl.DataFrame]:
    named = [(place, name) for place, name in enumerate(header) if name]
    while batch := list(islice(rows, ROWS_AT_A_TIME)):
        columns = list(zip(*batch, strict=True))
        yield as_frame([name for _, name in named], [columns[place] for place, _ in named])


def _check_header(header: list[str], where: str) -> None:
    # before anything names a column: what stands in line 1 may be a person
    if any("@" in name for name in header):
        raise StopRun(
            f"{where} seems to have no header line, for line 1 holds an e-mail address: put the names of the "
            "columns into its first line."
        )
    if len(header) > MOST_COLUMNS:
        raise StopRun(f"{where} has more than {MOST_COLUMNS:,} columns: leave out those that no export uses.")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        names = ", ".join(f'"{name}"' for name in twice)
        raise StopRun(f"{where} names the column {names} more than once in line 1: give each its own name.")
    if not any(header):
        raise StopRun(f"{where} names no column in line 1: put the names of the columns there.")


def _ragged(where: str, line: int, fields: int, width: int) -> str:
    counted = "1 field" if fields == 1 else f"{fields} fields"
    return (
        f"{where} has {counted} in line {line}, but {width} in its header: give every line as many fields as "
        "the header, and quote a field that holds a comma or a line break."
    )


def _undecodable_line(source: BinaryIO) -> int:
    source.seek(0)
    return next((number for number, line in enumerate(source, 1) if not _is_utf8(line)), 1)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
