"""How exports stand: their last run, what a caller may do with them, and what will not fit."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from producer.access import RULES
from producer.desk import Desk
from producer.operations.changing import may_touch, provenance
from producer.operations.documents import ExportView, LastRun, Made
from producer.summary import left_out
from producer.wording import number
from worker.exports.declarations import Definitions
from worker.exports.definitions import Export, why_inactive
from worker.exports.outcomes import Outcome
from worker.exports.runs import RunDocument
from worker.exports.schedules import following, is_schedule

_LOOKS: Final = ("show_export",)
_TOUCHES: Final = (
    "edit_export",
    "duplicate_export",
    "detach_export",
    "remove_export",
    "enable_export",
    "disable_export",
    "schedule_exports",
    "add_segment_to_export",
    "run_export",
    "dry_run_export",
    "rejected_rows",
    "list_quarantine",
    "clear_quarantine",
)


class Standings:
    """What is beside the definitions of exports, read once for all of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def view(self, export: Export) -> ExportView:
        """An export as a caller sees it."""
        last = self._last_runs.get(export.name)
        return ExportView.model_validate(
            {
                **export.model_dump(mode="json"),
                "made": self._made.get(f"export {export.name}"),
                "status": _status(export, last),
                "last_run": _last_run(last) if last else None,
                "next_run": _next_run(export, datetime.now(UTC)),
                "permissions": self._permissions(export),
                "warnings": list(self._warnings(export, last)),
            }
        )

    @cached_property
    def _definitions(self) -> Definitions:
        return self._desk.producer.catalog.everything()

    @cached_property
    def _last_runs(self) -> dict[str, RunDocument]:
        return self._desk.producer.runs.newest_by_export()

    @cached_property
    def _made(self) -> Mapping[str, Made]:
        return provenance(self._desk)

    def _permissions(self, export: Export) -> list[str]:
        touches = _TOUCHES if may_touch(self._desk, self._definitions, export) else ()
        return [name for name in (*_LOOKS, *touches) if self._desk.caller.role.covers(RULES[name])]

    def _warnings(self, export: Export, last: RunDocument | None) -> Iterator[str]:
        """What is known without asking Mailchimp: the last run that read all, and the limits."""
        read = last.profiles["read"] if last else 0
        if read > export.max_profiles:
            most = number(export.max_profiles)
            yield (
                f"The last run read {number(read)} profiles, and max_profiles lets {most} through: "
                "raise it as far as is meant, or make the segments smaller."
            )
        connection = self._definitions.connections.get(export.connection or "")
        people = _people(last) if last else 0
        if connection and connection.max_contacts is not None and people > connection.max_contacts:
            yield (
                f"The last run found {number(people)} people, and the plan of the account has "
                f"{number(connection.max_contacts)} contacts: raise the plan and max_contacts, or make the "
                "segments smaller; how many contacts it holds now is only known to Mailchimp."
            )


def _people(run: RunDocument) -> int:
    """Different addresses that a run read: at least so many contacts the account needs."""
    nobody = (Outcome.INVALID, Outcome.DUPLICATE, Outcome.SUPPRESSED)
    return run.profiles["read"] - sum(run.profiles[name] for name in nobody)


def _next_run(export: Export, now: datetime) -> datetime | None:
    if not is_schedule(export.run) or why_inactive(export):
        return None
    return following(export.run, export.time_zone, now)


def _status(export: Export, last: RunDocument | None) -> str:
    if export.connection is None:
        return "detached"
    if not export.enabled:
        return "disabled"
    return last.status if last else "never_run"


def _last_run(run: RunDocument) -> LastRun:
    return LastRun(
        run_id=run.run_id,
        status=run.status,
        read=run.profiles["read"],
        left_out=left_out(run),
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=run.error,
    )
