"""Starts a run that sends the failed and the rejected profiles of an earlier one again."""

from datetime import UTC, datetime

from producer.application import Producer
from worker.errors import Conflicts, UsageError
from worker.exports.definitions import why_inactive
from worker.exports.outcomes import RETRIED
from worker.exports.runs import RETRY, RunDocument, Trigger, new_run_id
from worker.store.interface import MissingObject
from worker.store.reports import read_lines


def retry_run(producer: Producer, run_id: str) -> RunDocument:
    """Start a retry of a run; it reads the files of the same refresh again.

    Raises:
        UsageError: the run has not ended, left nobody out whom its report names, or its report has expired;
            or another run of its export would have to give way.
    """
    run = producer.runs.document(run_id)
    if inactive := why_inactive(producer.catalog.export(run.export)):
        raise Conflicts(inactive)
    _check(producer, run)
    trigger = Trigger(RETRY, run.trigger.refresh_id, run_id)
    created, bells = producer.runs.create(new_run_id(datetime.now(UTC)), export=run.export, trigger=trigger)
    if not created:
        raise UsageError(
            f"Another run of export {run.export} is held or waits already: "
            f"retry run {run_id} when it is over."
        )
    producer.ring(bells)
    return producer.runs.document(created)


def _check(producer: Producer, run: RunDocument) -> None:
    if not run.ended:
        raise UsageError(f"Run {run.run_id} has not ended ({run.status}): retry it when it has.")
    if not any(run.profiles[outcome] for outcome in RETRIED):
        raise UsageError(f"Run {run.run_id} has no failed or rejected profiles: there is nothing to retry.")
    if not _names_somebody(producer, run):
        raise UsageError(
            f"The report of run {run.run_id} does not name those who failed, as it broke off "
            f"before they were prepared: `segment-export run {run.export}` sends them."
        )


def _names_somebody(producer: Producer, run: RunDocument) -> bool:
    parts = producer.runs.report_parts(run.run_id)
    try:
        lines = read_lines(producer.objects, producer.keyring, run.run_id, parts)
        return any(line.outcome in RETRIED and line.email for line in lines)
    except MissingObject:
        raise UsageError(
            f"The report of run {run.run_id} has expired, so nobody knows whom to retry: "
            f"`segment-export run {run.export}` sends whoever is missing."
        ) from None
