"""Progress as plain lines, where nothing can be drawn; and the choice between them and bars."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

import click

from producer.following import Look, Screen
from producer.wording import number, span

_EVERY: Final = 5.0


class Lines:
    """A line for each run when its status changes, and at most every five seconds in between.

    What is said beside it is said once.
    """

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._told: dict[str, tuple[str, float]] = {}
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, looks: Sequence[Look]) -> None:
        """Write a line for each run that has news."""
        now = self._clock()
        for look in looks:
            stage, at = self._told.get(look.run.run_id, ("", now))
            if look.stage != stage or (not look.over and now - at >= _EVERY):
                self._told[look.run.run_id] = (look.stage, now)
                self._write(line(look))

    def say(self, sentence: str) -> None:
        """Write a sentence, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._write(sentence)


def line(look: Look) -> str:
    """How a run stands, in a line."""
    parts = [look.stage]
    if look.total:
        parts.append(f"{number(look.done)} of {number(look.total)} profiles ({_percent(look)} %)")
    if look.rate:
        parts.append(f"{number(round(look.rate))}/s")
    if look.calls:
        parts.append(f"{look.calls.open} of {look.calls.limit} calls open")
    if look.left is not None:
        parts.append(f"{span(look.left)} left")
    return f"{look.run.export} {look.run.run_id}: {', '.join(parts)}"


def screen() -> Screen:
    """Bars on a terminal that can draw them, else plain lines; both on standard error."""
    if sys.stderr.isatty():
        from producer.bars import Bars, terminal  # noqa: PLC0415 (only whoever watches pays for it)

        if console := terminal():
            return Bars(console)
    return Lines(lambda text: click.echo(text, err=True))


def _percent(look: Look) -> int:
    return look.done * 100 // look.total
