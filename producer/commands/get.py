"""get: what was applied, and what ran."""

from collections import Counter
from typing import Any, Final

import click

from producer.application import Producer
from producer.commands.common import desk_of, json_option, note, print_json
from producer.desk import AnyDesk
from producer.operations.connections import list_connections, show_connection
from producer.operations.documents import ConnectionView, Made
from producer.operations.exports import list_exports, show_export
from producer.operations.runs import list_runs, show_run
from producer.operations.segments import list_segments, show_segment
from producer.summary import list_of_runs
from producer.wording import moment, number, table
from worker.errors import NotThere
from worker.exports import channels
from worker.exports.runs import RunDocument

_STATES: Final = {"ready": "ready", "cooling": "cooling down", "paused": "paused"}
_TOLD: Final = 5


@click.command()
@click.argument("kind", type=click.Choice(["connections", "segments", "exports", "notifications", "runs"]))
@click.argument("name", required=False)
@json_option
@click.pass_obj
def get(producer: Producer, kind: str, name: str | None, *, as_json: bool) -> None:
    """List connections, segments, exports, notifications or runs; all of them, or NAME only.

    Runs are listed newest first; their NAME is an export's, or a run's own.
    """
    desk = desk_of(producer)
    match kind:
        case "connections":
            _connections(desk, name, as_json=as_json)
        case "segments":
            _segments(desk, name, as_json=as_json)
        case "exports":
            _exports(desk, name, as_json=as_json)
        case "notifications":
            _notifications(producer, name, as_json=as_json)
        case _:
            _runs(desk, name, as_json=as_json)


def _connections(desk: AnyDesk, name: str | None, *, as_json: bool) -> None:
    found = list_connections(desk).items if name is None else [show_connection(desk, name)]
    if as_json:
        print_json({"connections": [each.model_dump(mode="json") for each in found]})
        return
    views = [each for each in found if isinstance(each, ConnectionView)]
    if len(views) < len(found):
        rows = [[each.name, each.display_name, each.type] for each in found]
        _show("connections", ["NAME", "DISPLAY NAME", "TYPE"], rows)
        return
    rows = [
        [
            each.name,
            each.display_name,
            each.access,
            each.api_key,
            f"{each.standing.open} of {each.max_connections}",
            _STATES[each.standing.state],
            ", ".join(each.used_by),
            _made(each.made),
        ]
        for each in views
    ]
    header = ["NAME", "DISPLAY NAME", "ACCESS", "API KEY", "CALLS", "STATE", "USED BY", "MADE (UTC)"]
    _show("connections", header, rows)


def _segments(desk: AnyDesk, name: str | None, *, as_json: bool) -> None:
    found = list_segments(desk).items if name is None else [show_segment(desk, name)]
    if as_json:
        print_json({"segments": [each.model_dump(mode="json") for each in found]})
        return
    rows = [[each.name, each.display_name, each.source, ", ".join(each.used_by)] for each in found]
    _show("segments", ["NAME", "DISPLAY NAME", "SOURCE", "USED BY"], rows)


def _exports(desk: AnyDesk, name: str | None, *, as_json: bool) -> None:
    found = list_exports(desk).items if name is None else [show_export(desk, name)]
    if as_json:
        print_json({"exports": [each.model_dump(mode="json") for each in found]})
        return
    rows = [
        [
            each.name,
            each.connection or "-",
            each.audience_id,
            ", ".join(each.segments),
            each.run,
            each.mode,
            each.status,
            moment(each.last_run.finished_at or each.last_run.started_at) if each.last_run else "",
        ]
        for each in found
    ]
    header = ["NAME", "CONNECTION", "AUDIENCE", "SEGMENTS", "RUN", "MODE", "STATUS", "LAST RUN (UTC)"]
    _show("exports", header, rows)
    for each in found:
        for warning in each.warnings:
            note(f"Warning: {each.name}: {warning}")


def _made(made: Made | None) -> str:
    return f"{made.at:%Y-%m-%d %H:%M} by {made.by}" if made else ""


def _notifications(producer: Producer, name: str | None, *, as_json: bool) -> None:
    catalog = producer.catalog
    found = catalog.notifications() if name is None else [catalog.notification(name)]
    if as_json:
        print_json({"notifications": [channels.public(each) for each in found]})
        return
    waiting, failed = producer.outbox.waiting(), producer.outbox.undelivered()
    lost = Counter(each.channel for each in failed)
    rows = [
        [
            *(each.name, each.type, ", ".join(each.on), ", ".join(each.exports) or "all"),
            *(number(waiting.get(each.name, 0)), number(lost[each.name])),
        ]
        for each in found
    ]
    _show("notifications", ["NAME", "TYPE", "ON", "EXPORTS", "WAITING", "GIVEN UP"], rows)
    for each in failed[:_TOLD]:
        note(f"{each.given_up:%Y-%m-%d %H:%M} UTC: {each.reason}")


def _runs(desk: AnyDesk, name: str | None, *, as_json: bool) -> None:
    found = list_runs(desk).items if name is None else _runs_named(desk, name)
    if as_json:
        print_json({"runs": found})
    elif found:
        click.echo(list_of_runs(found))
    else:
        note("There are no runs yet." if name is None else f"There are no runs of {name} yet.")


def _runs_named(desk: AnyDesk, name: str) -> list[RunDocument]:
    """The runs of an export, removed from the catalog or not, or the one run of this id."""
    if found := list_runs(desk, export=name).items:
        return found
    try:
        return [show_run(desk, name)]
    except NotThere:
        show_export(desk, name)
        return []


def _show(kind: str, header: list[str], rows: list[list[Any]]) -> None:
    if rows:
        click.echo(table(header, rows))
    else:
        note(f"There are no {kind} yet: declare them in a file and `segment-export apply -f` it.")
