"""Exports: every change of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from producer.desk import Desk, operation
from producer.operations.changing import (
    change,
    check_touch,
    declared,
    found,
    merged,
    refuse_existing,
    stop_runs,
)
from producer.operations.documents import ExportView, Page, Removed, page
from producer.operations.standing import Standings
from worker.errors import Conflicts, UsageError
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Export, Segment


@operation
def list_exports(
    desk: Desk,
    *,
    connection: str | None = None,
    segment: str | None = None,
    enabled: bool | None = None,
    after: str = "",
    limit: int | None = None,
) -> Page[ExportView]:
    """Exports by name: of a connection, with a segment, enabled or not."""
    wanted = [
        export
        for export in desk.producer.catalog.exports()
        if connection in {None, export.connection}
        and (segment is None or segment in export.segments)
        and enabled in {None, export.enabled}
    ]
    shown = page(wanted, lambda each: each.name, after=after, limit=limit)
    standings = Standings(desk)
    return Page([standings.view(each) for each in shown.items], shown.next)


@operation
def show_export(desk: Desk, name: str) -> ExportView:
    """One export."""
    return _shown(desk, name)


@operation
def add_export(desk: Desk, name: str, values: Mapping[str, Any]) -> ExportView:
    """Adds an export of the values of a configuration file."""

    def decide(before: Definitions) -> Edit:
        return _added(desk, before, name, values)

    _forget_former(desk, name)
    change(desk, "add_export", decide)
    return _shown(desk, name)


@operation
def edit_export(desk: Desk, name: str, changes: Mapping[str, Any]) -> ExportView:
    """Replaces the values that are named; null takes one back to its default, or detaches."""
    edited = _edited(desk, "edit_export", [name], changes)
    if edited[0].connection is None:
        _stop_detached(desk, name)
    return _shown(desk, name)


@operation
def duplicate_export(
    desk: Desk, name: str, new_name: str, changes: Mapping[str, Any] | None = None
) -> ExportView:
    """Adds a copy under another name, with changes; it is disabled until somebody enables it.

    Two exports of the same people to the same audience would undo each other's work.
    """

    def decide(before: Definitions) -> Edit:
        original = found(before, Export, name)
        check_touch(desk, before, [original])
        values = merged(original, {"enabled": False} | dict(changes or {}))
        return _added(desk, before, new_name, values)

    _forget_former(desk, new_name)
    change(desk, "duplicate_export", decide)
    return _shown(desk, new_name)


@operation
def detach_export(desk: Desk, name: str) -> ExportView:
    """Takes the connection of an export away, and stops its runs; it is kept, and does not run."""
    _edited(desk, "detach_export", [name], {"connection": None})
    _stop_detached(desk, name)
    return _shown(desk, name)


@operation
def remove_export(desk: Desk, name: str) -> Removed:
    """Removes an export, stops its runs, and forgets what Mailchimp had accepted of it.

    Members and tags stay in the audience as they are.
    """

    def decide(before: Definitions) -> Edit:
        export = found(before, Export, name)
        check_touch(desk, before, [export])
        return Edit(remove=[export])

    change(desk, "remove_export", decide)
    stopped = stop_runs(desk, f"Canceled, as export {name} was removed.", exports=[name])
    _forget(desk, name)
    return Removed(name=name, canceled=stopped)


@operation
def enable_export(desk: Desk, name: str) -> ExportView:
    """Lets an export run again."""
    _edited(desk, "enable_export", [name], {"enabled": True})
    return _shown(desk, name)


@operation
def disable_export(desk: Desk, name: str) -> ExportView:
    """Keeps an export from starting; a run that is under way goes on."""
    _edited(desk, "disable_export", [name], {"enabled": False})
    return _shown(desk, name)


@operation
def schedule_exports(
    desk: Desk, names: Sequence[str], run: str, time_zone: str | None = None
) -> list[ExportView]:
    """Says when exports run, all of them or none: on_refresh, manual, or a cron line."""
    if not names:
        raise UsageError("No export is named: name those that are to be scheduled.")
    zone = {} if time_zone is None else {"time_zone": time_zone}
    _edited(desk, "schedule_exports", names, {"run": run} | zone)
    standings = Standings(desk)
    return [standings.view(desk.producer.catalog.export(name)) for name in names]


@operation
def add_segment_to_export(desk: Desk, segment: str, export: str) -> ExportView:
    """Lets an export take one more segment."""

    def decide(before: Definitions) -> Edit:
        old = found(before, Export, export)
        if found(before, Segment, segment).name in old.segments:
            raise Conflicts(f"Export {export} takes segment {segment} already: there is nothing to add.")
        return _changed(desk, before, old, {"segments": [*old.segments, segment]})

    change(desk, "add_segment_to_export", decide)
    return _shown(desk, export)


def _edited(desk: Desk, what: str, names: Sequence[str], changes: Mapping[str, Any]) -> list[Export]:
    def decide(before: Definitions) -> Edit:
        olds = [found(before, Export, name) for name in dict.fromkeys(names)]
        edits = [_changed(desk, before, old, changes) for old in olds]
        return Edit(save=[one for edit in edits for one in edit.save])

    return [one for one in change(desk, what, decide).save if isinstance(one, Export)]


def _changed(desk: Desk, before: Definitions, old: Export, changes: Mapping[str, Any]) -> Edit:
    check_touch(desk, before, [old])
    new = declared(desk, Export, old.name, merged(old, changes), before)
    check_touch(desk, before, [new])
    return Edit(save=[new])


def _added(desk: Desk, before: Definitions, name: str, values: Mapping[str, Any]) -> Edit:
    refuse_existing(before, Export, name)
    new = declared(desk, Export, name, values, before)
    check_touch(desk, before, [new])
    return Edit(save=[new])


def _stop_detached(desk: Desk, name: str) -> None:
    stop_runs(desk, f"Canceled, as export {name} was detached from its connection.", exports=[name])


def _forget_former(desk: Desk, name: str) -> None:
    """A new export begins without the memory of one that had its name.

    Raises:
        Conflicts: runs of that one have not ended yet.
    """
    if name in desk.producer.runs.removing() and not _forget(desk, name):
        raise Conflicts(
            f"The last calls of the removed export {name} are still in flight: "
            "add it again in a moment, or under another name."
        )


def _forget(desk: Desk, name: str) -> bool:
    """Deletes what is remembered of a removed export; False while runs of it go on: workers do it then."""
    from worker.store.snapshot_place import drop_all  # noqa: PLC0415 (slow, and only an end needs it)

    runs = desk.producer.runs
    if name in {export.name for export in desk.producer.catalog.exports()}:
        return True
    if not runs.forget_export(name):
        return False
    drop_all(desk.producer.objects, name)
    runs.removed(name)
    return True


def _shown(desk: Desk, name: str) -> ExportView:
    return Standings(desk).view(desk.producer.catalog.export(name))
