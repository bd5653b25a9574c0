"""get: what was applied, and what ran."""

from typing import Any

import click

from producer.application import Producer
from producer.commands.common import json_option, note, print_json
from producer.summary import list_of_runs
from producer.wording import table
from worker.errors import UsageError
from worker.exports.definitions import Connection, Export, Segment, public
from worker.exports.runs import RunDocument


@click.command()
@click.argument("kind", type=click.Choice(["connections", "segments", "exports", "runs"]))
@click.argument("name", required=False)
@json_option
@click.pass_obj
def get(producer: Producer, kind: str, name: str | None, *, as_json: bool) -> None:
    """List connections, segments, exports or runs; all of them, or NAME only.

    Runs are listed newest first; their NAME is an export's, or a run's own.
    """
    match kind:
        case "connections":
            _connections(producer, name, as_json=as_json)
        case "segments":
            _segments(producer, name, as_json=as_json)
        case "exports":
            _exports(producer, name, as_json=as_json)
        case _:
            _runs(producer, name, as_json=as_json)


def _connections(producer: Producer, name: str | None, *, as_json: bool) -> None:
    catalog = producer.catalog
    found = catalog.connections() if name is None else [catalog.connection(name)]
    if as_json:
        print_json({"connections": [public(each) for each in found]})
        return
    rows = [[each.name, each.display_name, each.access, *_standing(producer, each)] for each in found]
    _show("connections", ["NAME", "DISPLAY NAME", "ACCESS", "API KEY", "CALLS", "STATE"], rows)


def _standing(producer: Producer, connection: Connection) -> tuple[str, str, str]:
    state = producer.slots.state(connection.name)
    standing = "paused" if state.paused else "cooling down" if state.cooling_ms else "ready"
    calls = f"{state.open} of {connection.max_connections}"
    return str(public(connection)["api_key"]), calls, standing


def _segments(producer: Producer, name: str | None, *, as_json: bool) -> None:
    catalog = producer.catalog
    found: list[Segment] = catalog.segments() if name is None else [catalog.segment(name)]
    if as_json:
        print_json({"segments": [each.model_dump(mode="json") for each in found]})
        return
    rows = [[each.name, each.display_name, each.source] for each in found]
    _show("segments", ["NAME", "DISPLAY NAME", "SOURCE"], rows)


def _exports(producer: Producer, name: str | None, *, as_json: bool) -> None:
    catalog = producer.catalog
    found: list[Export] = catalog.exports() if name is None else [catalog.export(name)]
    if as_json:
        print_json({"exports": [each.model_dump(mode="json") for each in found]})
        return
    rows = [
        [each.name, each.connection, each.audience_id, ", ".join(each.segments), each.run, each.mode]
        for each in found
    ]
    _show("exports", ["NAME", "CONNECTION", "AUDIENCE", "SEGMENTS", "RUN", "MODE"], rows)


def _runs(producer: Producer, name: str | None, *, as_json: bool) -> None:
    found = producer.runs.recent() if name is None else _runs_named(producer, name)
    if as_json:
        print_json({"runs": found})
    elif found:
        click.echo(list_of_runs(found))
    else:
        note("There are no runs yet." if name is None else f"There are no runs of {name} yet.")


def _runs_named(producer: Producer, name: str) -> list[RunDocument]:
    """The runs of an export, removed from the catalog or not, or the one run of this id."""
    if found := producer.runs.recent(export=name):
        return found
    try:
        return [producer.runs.document(name)]
    except UsageError:
        producer.catalog.export(name)
        return []


def _show(kind: str, header: list[str], rows: list[list[Any]]) -> None:
    if rows:
        click.echo(table(header, rows))
    else:
        note(f"There are no {kind} yet: declare them in a file and `segment-export apply -f` it.")
