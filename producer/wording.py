"""Figures, spans of time and tables as people read them."""

import unicodedata
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600


def number(count: int) -> str:
    """A count with its thousands apart: 1,000,000."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """A count and what it counts: `1 run`, `2 runs`."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def span(time: timedelta) -> str:
    """A span of time to read: `0.4 s`, `12.3 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = round(time.total_seconds(), 1)
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(time: timedelta) -> str:
    """A span of time to watch running: `0:03:20`."""
    whole = round(time.total_seconds())
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def moment(iso: str | None) -> str:
    """A moment of a run document, to the second: `2026-11-24 02:12:07`, in UTC."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S}" if iso else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """An aligned table with a heading; `right` are the columns that are aligned to the right."""
    return columns([header, *rows], right=right)


def columns(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """Rows of cells that stand below each other."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths, right) for row in rows)


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    padded = []
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - _width(cell))
        padded.append(blank + cell if at in right else cell + blank)
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
