"""Progress as a bar for each run, on a terminal."""

from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from producer.following import Look
from producer.wording import clock, number
from worker.exports.runs import GOOD

_WIDEST: Final = 120
_NARROW: Final = 100
_NAME: Final = 18
_LONG_NAME: Final = 32
# a terminal writes ^C behind the last line, which must not begin another one
_CTRL_C: Final = 3
# heading, rules and what stands around the bars
_AROUND: Final = 4


def terminal() -> Console | None:
    """The console of standard error, if bars can be drawn there."""
    console = Console(stderr=True, highlight=False)
    return console if console.is_terminal and not console.is_dumb_terminal else None


class Bars:
    """A table of bars that is drawn anew with each look; the last one stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._console.line()

    def show(self, looks: Sequence[Look]) -> None:
        """Draw the runs, those that go on first if there is no room for all."""
        room = max(1, self._console.height - _AROUND)
        shown, hidden = fitting(looks, room)
        self._live.update(_drawn(shown, hidden, self._console.width), refresh=True)

    def say(self, sentence: str) -> None:
        """Write a sentence above the bars, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._console.print(Text(sentence, style="yellow"))


def fitting(looks: Sequence[Look], room: int) -> tuple[list[Look], int]:
    """The runs that there is room for, in their order, and how many are left out: over, then queued ones."""
    if len(looks) <= room:
        return list(looks), 0
    by_interest = sorted(looks, key=lambda look: (look.over, look.run.status == "queued"))
    chosen = by_interest[: room - 1]
    return [look for look in looks if look in chosen], len(looks) - len(chosen)


def _drawn(looks: Sequence[Look], hidden: int, width: int) -> Table:
    narrow = width < _NARROW
    table = Table(
        box=None,
        padding=(0, 1 if narrow else 2, 0, 0),
        pad_edge=False,
        width=min(width - _CTRL_C, _WIDEST),
        header_style="dim",
    )
    name = _NAME if narrow else _LONG_NAME
    table.add_column("EXPORT", max_width=name, no_wrap=True, overflow="ellipsis")
    table.add_column("STATUS", no_wrap=True, min_width=9)
    table.add_column("", ratio=1, min_width=4)
    for heading, least in (("PROFILES", 8), ("RATE", 7), ("CALLS", 5), ("LEFT", 7)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=least)
    for look in looks:
        table.add_row(*_row(look))
    if hidden:
        table.add_row(Text(f"… {hidden} more", style="dim"))
    return table


def _row(look: Look) -> tuple[Text | ProgressBar, ...]:
    style = _style(look)
    bar = ProgressBar(
        total=look.total or (None if look.run.status == "planning" else 1),
        completed=look.done,
        complete_style=style or "bar.complete",
        finished_style=style or "bar.finished",
    )
    cells = (
        f"{number(look.done)}/{number(look.total)}" if look.total else "",
        f"{number(round(look.rate))}/s" if look.rate else "",
        f"{look.calls.open}/{look.calls.limit}" if look.calls else "",
        clock(look.left) if look.left is not None else "",
    )
    return Text(look.run.export), Text(look.stage, style=style), bar, *map(Text, cells)


def _style(look: Look) -> str:
    if not look.over:
        return "yellow" if look.stage in {"paused", "cooling", "stopping"} else ""
    return "green" if look.run.status in GOOD else "red"
