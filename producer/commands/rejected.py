"""rejected: who was left out of a run, and why."""

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

import click

from producer.application import Producer
from producer.commands.common import desk_of, note
from producer.operations.runs import rejected_rows, show_run
from producer.wording import counted
from worker.errors import TellOperator
from worker.exports.outcomes import ReportLine
from worker.store.report_files import to_csv, to_ndjson

_PRIVATE: Final = 0o600
_WRITERS: Final[dict[str, Callable[[Iterable[ReportLine], TextIO], None]]] = {
    "csv": to_csv,
    "ndjson": to_ndjson,
}


@click.command()
@click.argument("run")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_WRITERS)),
    default="csv",
    show_default=True,
    help="csv opens in a spreadsheet; ndjson has the exact values.",
)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a file that only its owner may read, instead of standard output.",
)
@click.pass_obj
def rejected(producer: Producer, run: str, *, form: str, path: Path | None) -> None:
    """Write who was left out of RUN (was not created, updated or unchanged), and why."""
    desk = desk_of(producer)
    document = show_run(desk, run)
    lines = _Counted(rejected_rows(desk, run))
    with _output(path) as out:
        _WRITERS[form](lines, out)
    if path is not None:
        note(f"{counted(lines.count, 'profile')} written to {path}.")
    if not document.ended:
        note(f"Run {run} has not ended ({document.status}): there may be more.")


class _Counted:
    """Lines as they come, counted."""

    def __init__(self, lines: Iterable[ReportLine]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[ReportLine]:
        for line in self._lines:
            self.count += 1
            yield line


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    if path is None or str(path) == "-":
        with click.open_file("-", "w", encoding="utf-8") as out:
            yield cast("TextIO", out)
            out.flush()
        return
    try:
        with _file(path) as out:
            yield out
    except OSError as error:
        raise TellOperator(f"The file {path} can't be written ({error.strerror}): name another.") from None


@contextmanager
def _file(path: Path) -> Iterator[TextIO]:
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("w", encoding="utf-8") as out:
            yield out
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
