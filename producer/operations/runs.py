"""Runs: started, looked at, stopped, let go on, and who was left out of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producer.desk import Desk, operation
from producer.following import Follower
from producer.operations.documents import Page
from worker.exports.outcomes import ReportLine
from worker.exports.runs import RunDocument

if TYPE_CHECKING:
    from worker.exports.preview import Preview


@dataclass(frozen=True, slots=True)
class Canceled:
    """A run that was told to stop: `stopped` is false if it had been before."""

    run: RunDocument
    stopped: bool


@operation
def list_runs(
    desk: Desk,
    *,
    export: str | None = None,
    status: str | None = None,
    after: str = "",
    limit: int = 50,
) -> Page[RunDocument]:
    """Runs, the newest first: of an export, in a status; `after` is the id of the last one seen."""
    raise NotImplementedError


@operation
def show_run(desk: Desk, run_id: str) -> RunDocument:
    """How a run stands."""
    raise NotImplementedError


@operation
def watch_run(desk: Desk, *run_ids: str) -> Follower:
    """What looks at runs again and again: `look(time.monotonic())`, until all looks are `over`."""
    raise NotImplementedError


@operation
def run_export(desk: Desk, name: str, *, full: bool = False) -> RunDocument:
    """Starts an export on demand."""
    raise NotImplementedError


@operation
def run_all(desk: Desk, *, full: bool = False) -> list[RunDocument]:
    """Starts all exports that run by themselves and that the caller may touch."""
    raise NotImplementedError


@operation
def dry_run_export(desk: Desk, name: str, *, full: bool = False, show: bool = False) -> "Preview":
    """Tells what a run would do; addresses are masked unless they are to be shown."""
    raise NotImplementedError


@operation
def cancel_run(desk: Desk, run_id: str) -> Canceled:
    """Stops a run: no call begins after this, calls in flight end and are counted."""
    raise NotImplementedError


@operation
def approve_run(desk: Desk, run_id: str) -> RunDocument:
    """Lets a held run go on."""
    raise NotImplementedError


@operation
def retry_run(desk: Desk, run_id: str) -> RunDocument:
    """Starts a run that sends the failed and rejected profiles of another again."""
    raise NotImplementedError


@operation
def rejected_rows(desk: Desk, run_id: str) -> Iterator[ReportLine]:
    """Who was left out of a run, and why, one after the other: personal data."""
    raise NotImplementedError
