"""NDJSON sources: one JSON object a line; every value becomes text, digits as they stand."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import polars as pl

from worker.errors import StopRun
from worker.sources.rewriting import MOST_COLUMNS, ROWS_AT_A_TIME, as_frame, write_texts

_LONGEST_LINE: Final = 64 << 20
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

_Object = dict[str, Any]


class _LateColumnError(Exception):
    """An object has a key that none of the first ones had."""


def take_ndjson(source: BinaryIO, where: str, target: Path) -> None:
    """Rewrites lines of JSON objects as Parquet with one text column for each key.

    A key that an object lacks is null there; booleans become `true` and `false`; objects and lists
    within an object become their JSON. Blank lines are skipped. Every sentence names the file and the line.

    Raises:
        StopRun: a line is not a JSON object in UTF-8, or too long; too many different keys.
        OSError: reading or writing failed.
    """
    columns = _keys(islice(_objects(source, where), ROWS_AT_A_TIME), where)
    try:
        _write(source, where, columns, target)
    except _LateColumnError:
        _write(source, where, _keys(_objects(source, where), where), target)


def _write(source: BinaryIO, where: str, columns: Sequence[str], target: Path) -> None:
    write_texts(_frames(_objects(source, where), columns), columns, target)


def _keys(objects: Iterator[_Object], where: str) -> list[str]:
    keys: dict[str, None] = {}
    for one in objects:
        if not keys.keys() >= one.keys():
            keys.update(dict.fromkeys(one))
            if len(keys) > MOST_COLUMNS:
                raise StopRun(
                    f"{where} has more than {MOST_COLUMNS:,} different keys: leave out what no export uses."
                )
    if not keys:
        raise StopRun(f"{where} holds no profile with any value: write one JSON object a line.")
    return list(keys)


def _objects(source: BinaryIO, where: str) -> Iterator[_Object]:
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    source.seek(0)
    number = 0
    while line := source.readline(_LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            one = decode(line)
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
            if not line.strip():
                continue
            raise StopRun(_unreadable(line, where, number)) from None
        if type(one) is not dict:
            raise StopRun(f"{where} has no JSON object in line {number}: write one object a line, {{…}}.")
        yield one


def _unreadable(line: bytes, where: str, number: int) -> str:
    if len(line) >= _LONGEST_LINE:
        return f"{where} is longer than 64 MiB in line {number}: write one JSON object a line."
    if _SURROGATE.search(line):
        return (
            f"{where} is not valid JSON in line {number}, perhaps for half of a surrogate pair "
            "(\\ud800 to \\udfff): write such characters as UTF-8."
        )
    return f"{where} is not valid JSON in UTF-8 in line {number}: write one JSON object a line."


def _frames(objects: Iterator[_Object], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    known = dict.fromkeys(columns).keys()
    while batch := list(islice(objects, ROWS_AT_A_TIME)):
        if any(not known >= one.keys() for one in batch):
            raise _LateColumnError
        yield _frame(batch, columns)


def _frame(batch: list[_Object], columns: Sequence[str]) -> pl.DataFrame:
    values = [[one.get(column) for one in batch] for column in columns]
    try:
        return as_frame(columns, values)
    except TypeError:
        return as_frame(columns, [[_text(value) for value in column] for column in values])


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
