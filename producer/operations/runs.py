"""Runs: started, looked at, stopped, let go on, and who was left out of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producer import events
from producer.access import Forbidden, Role, may_use
from producer.desk import Desk, operation
from producer.following import Follower, Ledger
from producer.operations.changing import check_touch, found, may_touch
from producer.operations.documents import Page
from worker.errors import Conflicts
from worker.exports.definitions import Export
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
    runs = desk.producer.runs.recent(export=export, status=status, after=after, most=limit + 1)
    return Page(runs[:limit], runs[limit - 1].run_id if len(runs) > limit else None)


@operation
def show_run(desk: Desk, run_id: str) -> RunDocument:
    """How a run stands."""
    return desk.producer.runs.document(run_id)


@operation
def watch_run(desk: Desk, *run_ids: str) -> Follower:
    """What looks at runs again and again: `look(time.monotonic())`, until all looks are `over`."""
    for run_id in run_ids:
        desk.producer.runs.document(run_id)
    return Follower(Ledger(desk.producer.runs, desk.producer.slots), run_ids)


@operation
def run_export(desk: Desk, name: str, *, full: bool = False) -> RunDocument:
    """Starts an export on demand.

    Raises:
        Conflicts: it is detached or disabled.
    """
    _check_export(desk, name)
    run = events.run_export(desk.producer, name, full=full)
    desk.record("run_export", f"export {name}", after={"run": run.run_id, "full": full})
    return run


@operation
def run_all(desk: Desk, *, full: bool = False) -> list[RunDocument]:
    """Starts all exports that run by themselves and that the caller may touch."""
    definitions = desk.producer.catalog.everything()
    runs = events.run_all(
        desk.producer, full=full, wanted=lambda export: may_touch(desk, definitions, export)
    )
    desk.record("run_all", "exports", after={"runs": [run.run_id for run in runs], "full": full})
    return runs


@operation
def dry_run_export(desk: Desk, name: str, *, full: bool = False, show: bool = False) -> "Preview":
    """Tells what a run would do; addresses are masked unless they are to be shown."""
    from producer.previewing import preview  # noqa: PLC0415 (slow, and only a dry run needs it)

    _check_export(desk, name)
    return preview(desk.producer, name, full=full, show=show)


@operation
def cancel_run(desk: Desk, run_id: str) -> Canceled:
    """Stops a run: no call begins after this, calls in flight end and are counted.

    Raises:
        Conflicts: it has ended already.
    """
    runs, before = desk.producer.runs, _check_run(desk, run_id)
    stopped, bells = runs.stop(run_id, status="canceled", sentence="Canceled by an operator.")
    desk.producer.ring(bells)
    document = runs.document(run_id)
    if not stopped and (before.ended or document.ended):
        raise Conflicts(f"Run {run_id} has ended already ({document.status}): there is nothing to cancel.")
    if stopped:
        desk.record("cancel_run", f"run {run_id}", before={"status": before.status})
    return Canceled(document, stopped)


@operation
def approve_run(desk: Desk, run_id: str) -> RunDocument:
    """Lets a held run go on.

    Raises:
        Conflicts: it is not held.
    """
    runs, held = desk.producer.runs, _check_run(desk, run_id)
    approved, bells = runs.approve(run_id)
    desk.producer.ring(bells)
    if not approved:
        raise Conflicts(f"Run {run_id} is not held ({held.status}): there is nothing to approve.")
    desk.record("approve_run", f"run {run_id}", before={"status": held.status, "reason": held.error})
    return runs.document(run_id)


@operation
def retry_run(desk: Desk, run_id: str) -> RunDocument:
    """Starts a run that sends the failed and rejected profiles of another again."""
    from producer import retrying  # noqa: PLC0415 (slow, and only a retry needs it)

    _check_run(desk, run_id)
    run = retrying.retry_run(desk.producer, run_id)
    desk.record("retry_run", f"run {run_id}", after={"run": run.run_id})
    return run


@operation
def rejected_rows(desk: Desk, run_id: str) -> Iterator[ReportLine]:
    """Who was left out of a run, and why, one after the other: personal data."""
    from worker.store.reports import read_lines  # noqa: PLC0415 (slow, and only reports need it)

    _check_run(desk, run_id)
    producer = desk.producer
    parts = producer.runs.report_parts(run_id)
    return read_lines(producer.objects, producer.keyring, run_id, parts) if parts else iter(())


def _check_export(desk: Desk, name: str) -> None:
    definitions = desk.producer.catalog.everything()
    if name in definitions.exports:
        check_touch(desk, definitions, [definitions.exports[name]])
    elif desk.caller.role is not Role.ADMINISTRATOR:
        found(definitions, Export, name)


def _check_run(desk: Desk, run_id: str) -> RunDocument:
    """The run, for a caller who may touch its export and the connection that it went over.

    Raises:
        NotThere: no such run is remembered.
        Forbidden: the caller may not.
    """
    runs, definitions = desk.producer.runs, desk.producer.catalog.everything()
    document, facts = runs.document(run_id), runs.facts(run_id)
    export = definitions.exports.get(document.export)
    over = facts.connection if facts else ""
    shared = not over or may_use(desk.caller, definitions.connections.get(over))
    if desk.caller.role is Role.ADMINISTRATOR or (
        export is not None and shared and may_touch(desk, definitions, export)
    ):
        return document
    raise Forbidden(
        f"Run {run_id} goes over a connection that is not shared with contributors, or its export is gone: "
        "ask an administrator."
    )
