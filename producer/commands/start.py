"""run and refresh: what starts runs."""

from collections.abc import Sequence
from typing import Any

import click

from producer.application import Producer
from producer.commands.common import finish, json_option, note, print_json, wait_for, wait_option
from producer.events import refresh_finished, run_all, run_export, unknown_segments
from producer.following import NO_WORKERS
from worker.exports.runs import RunDocument


@click.command()
@click.argument("export", required=False)
@click.option("--all", "all_exports", is_flag=True, help="Run all exports that have run: on_refresh.")
@click.option("--full", is_flag=True, help="Send every profile, also those that have not changed.")
@wait_option
@json_option
@click.pass_obj
def run(
    producer: Producer, export: str | None, *, all_exports: bool, full: bool, wait: bool, as_json: bool
) -> None:
    """Run EXPORT now, or all exports."""
    if (export is None) is not all_exports:
        raise click.UsageError("Give the name of an export, or --all.")
    if export is None:
        started = run_all(producer, full=full)
        _several(producer, started, refresh_id=None, wait=wait, as_json=as_json)
    else:
        _one(producer, run_export(producer, export, full=full), wait=wait, as_json=as_json)


@click.command()
@click.argument("refresh_id")
@click.option("--segment", "segments", multiple=True, help="A segment that was refreshed; may be repeated.")
@wait_option
@json_option
@click.pass_obj
def refresh(
    producer: Producer, refresh_id: str, *, segments: tuple[str, ...], wait: bool, as_json: bool
) -> None:
    """Say that refresh REFRESH_ID has finished: run the exports that listen to its segments.

    Without --segment all segments were refreshed. The same refresh again starts nothing again.
    """
    refreshed = refresh_finished(producer, refresh_id, segments or None)
    if refreshed.unknown:
        known = [segment.name for segment in producer.catalog.segments()]
        note(f"{unknown_segments(refreshed.unknown, known)} The others were refreshed all the same.")
    _several(producer, refreshed.runs, refresh_id=refresh_id, wait=wait, as_json=as_json)


def _one(producer: Producer, started: RunDocument, *, wait: bool, as_json: bool) -> None:
    if wait:
        ended = wait_for(producer, [started.run_id])
        finish(ended, ended[0], as_json=as_json)
        return
    if as_json:
        print_json(started)
    _tell(producer, [started], as_json=as_json)


def _several(
    producer: Producer, runs: Sequence[RunDocument], *, refresh_id: str | None, wait: bool, as_json: bool
) -> None:
    if not runs:
        takes = "" if refresh_id is None else " and takes one of these segments"
        note(f"Nothing to run: no export has run: on_refresh{takes}.")
    if wait and runs:
        ended = wait_for(producer, [run.run_id for run in runs])
        finish(ended, _document(refresh_id, ended), as_json=as_json)
        return
    if as_json:
        print_json(_document(refresh_id, runs))
    _tell(producer, runs, as_json=as_json)


def _document(refresh_id: str | None, runs: Sequence[RunDocument]) -> dict[str, Any]:
    return {"refresh_id": refresh_id, "runs": runs}


def _tell(producer: Producer, runs: Sequence[RunDocument], *, as_json: bool) -> None:
    for each in runs:
        click.echo(f"Run {each.run_id} of {each.export} is {each.status}.", err=as_json)
    if len(runs) == 1 and not runs[0].ended:
        note(f"To follow it: segment-export watch {runs[0].run_id}")
    if not all(each.ended for each in runs) and not producer.presence.alive():
        note(NO_WORKERS)
