"""Exports: what they are, how they stand, and every change of them."""

from typing import Annotated, Any

from fastapi import Query

from producer.http.answers import Cleared, ExportList, Preview, Quarantine, Run
from producer.http.asked import After, Clear, Duplicate, Full, Limit, Name, Named, Schedule, Show
from producer.http.described import ExportChanges, ExportValues
from producer.http.door import AtDesk, guarded_router
from producer.http.named import named
from producer.http.problems import OF_BODIES, answers
from producer.operations import exports, quarantine, runs
from producer.operations.documents import ExportView, Removed

router = guarded_router("exports")


@router.get("/exports", response_model=ExportList)
def list_exports(
    desk: AtDesk,
    *,
    connection: Named = None,
    segment: Named = None,
    enabled: Annotated[bool | None, Query(description="only those that are, or are not")] = None,
    after: After = "",
    limit: Limit = 50,
) -> Any:
    """Exports by name."""
    return exports.list_exports(
        desk, connection=connection, segment=segment, enabled=enabled, after=after, limit=limit
    )


@router.post("/exports", response_model=ExportView, status_code=201, responses=answers(404, 409, *OF_BODIES))
def add_export(desk: AtDesk, values: ExportValues) -> Any:
    """Add an export."""
    return exports.add_export(desk, *named(values))


@router.get("/exports/{name}", response_model=ExportView, responses=answers(404))
def show_export(desk: AtDesk, name: Name) -> Any:
    """An export, how it stands, and what you may do with it."""
    return exports.show_export(desk, name)


@router.patch("/exports/{name}", response_model=ExportView, responses=answers(404, 409, *OF_BODIES))
def edit_export(desk: AtDesk, name: Name, changes: ExportChanges) -> Any:
    """Replace the values that are named."""
    return exports.edit_export(desk, name, changes)


@router.delete("/exports/{name}", response_model=Removed, responses=answers(404, 409))
def remove_export(desk: AtDesk, name: Name) -> Any:
    """Remove an export, and stop its runs."""
    return exports.remove_export(desk, name)


@router.post(
    "/exports/{name}/duplicate",
    response_model=ExportView,
    status_code=201,
    responses=answers(404, 409, *OF_BODIES),
)
def duplicate_export(desk: AtDesk, name: Name, copy: Duplicate) -> Any:
    """Add a copy under another name; it is disabled until somebody enables it."""
    return exports.duplicate_export(desk, name, copy.new_name, copy.changes)


@router.post("/exports/{name}/detach", response_model=ExportView, responses=answers(404, 409))
def detach_export(desk: AtDesk, name: Name) -> Any:
    """Take the connection of an export away: it is kept, and does not run."""
    return exports.detach_export(desk, name)


@router.post("/exports/{name}/enable", response_model=ExportView, responses=answers(404, 409))
def enable_export(desk: AtDesk, name: Name) -> Any:
    """Let an export run again."""
    return exports.enable_export(desk, name)


@router.post("/exports/{name}/disable", response_model=ExportView, responses=answers(404, 409))
def disable_export(desk: AtDesk, name: Name) -> Any:
    """Keep an export from starting; a run that is under way goes on."""
    return exports.disable_export(desk, name)


@router.put("/schedules", response_model=list[ExportView], responses=answers(404, 409, *OF_BODIES))
def schedule_exports(desk: AtDesk, schedule: Schedule) -> Any:
    """Say when exports run: all of them, or none."""
    return exports.schedule_exports(desk, schedule.names, schedule.run, schedule.time_zone)


@router.post("/exports/{name}/runs", response_model=Run, status_code=202, responses=answers(404, 409))
def run_export(desk: AtDesk, name: Name, *, full: Full = False) -> Any:
    """Start an export now."""
    return runs.run_export(desk, name, full=full)


@router.post("/exports/{name}/dry-run", response_model=Preview, responses=answers(404, 409))
def dry_run_export(desk: AtDesk, name: Name, *, full: Full = False, show: Show = False) -> Any:
    """Tell what a run would do; nothing is written."""
    return runs.dry_run_export(desk, name, full=full, show=show)


@router.get("/exports/{name}/quarantine", response_model=Quarantine, responses=answers(404))
def list_quarantine(desk: AtDesk, name: Name) -> Any:
    """Whom Mailchimp refused for good; it names people."""
    return {"items": quarantine.list_quarantine(desk, name)}


@router.post(
    "/exports/{name}/quarantine/clear", response_model=Cleared, responses=answers(404, 409, *OF_BODIES)
)
def clear_quarantine(desk: AtDesk, name: Name, who: Clear | None = None) -> Any:
    """Let everybody out, or one address."""
    return {"people": quarantine.clear_quarantine(desk, name, who.address if who else None)}
