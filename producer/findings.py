"""What an inspection found, a line for each thing that was looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import click

Level: TypeAlias = Literal["ok", "warn", "fail"]

_COLOURS: Final[dict[Level, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is and, unless it is well, what to do."""

    level: Level
    sentence: str


def ok(sentence: str) -> Finding:
    """It is well."""
    return Finding("ok", sentence)


def warn(sentence: str) -> Finding:
    """It works, but should be looked after."""
    return Finding("warn", sentence)


def fail(sentence: str) -> Finding:
    """It does not work."""
    return Finding("fail", sentence)


def tell(findings: Iterable[Finding]) -> None:
    """Prints findings as they come; exits with 1 if something failed."""
    failed = False
    for finding in findings:
        click.echo(f"{click.style(f'{finding.level:<4}', fg=_COLOURS[finding.level])}  {finding.sentence}")
        failed = failed or finding.level == "fail"
    if failed:
        raise click.exceptions.Exit(1)
