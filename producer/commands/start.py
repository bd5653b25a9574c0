"""run and refresh: what starts runs."""

from collections.abc import Sequence
from typing import Any

import click

from producer.application import Producer
from producer.commands.common import (
    begun,
    desk_of,
    finish,
    json_option,
    note,
    print_json,
    tell_started,
    wait_for,
    wait_option,
)
from producer.desk import AnyDesk
from producer.events import unknown_segments
from producer.forecast import forecast
from producer.operations.events import refresh_finished
from producer.operations.runs import dry_run_export, run_all, run_export
from producer.operations.segments import list_segments
from worker.exports.runs import RunDocument


@click.command()
@click.argument("export", required=False)
@click.option(
    "--all",
    "all_exports",
    is_flag=True,
    help="Run all exports that run by themselves: on a refresh or a schedule.",
)
@click.option("--full", is_flag=True, help="Send every profile, also those that have not changed.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done; send nothing and keep nothing.")
@click.option("--show", is_flag=True, help="With --dry-run: show addresses as they are.")
@wait_option
@json_option
@click.pass_obj
def run(
    producer: Producer,
    export: str | None,
    *,
    all_exports: bool,
    full: bool,
    dry_run: bool,
    show: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Run EXPORT now, or all exports."""
    if (export is None) is not all_exports:
        raise click.UsageError("Give the name of an export, or --all.")
    if dry_run and (export is None or wait):
        raise click.UsageError(
            "A dry run is of one export, and over when the command is: leave --all and --wait out."
        )
    if show and not dry_run:
        raise click.UsageError("Only a dry run shows addresses: give --dry-run with --show.")
    desk = desk_of(producer)
    if dry_run and export is not None:
        _preview(desk, export, full=full, show=show, as_json=as_json)
    elif export is None:
        started = run_all(desk, full=full)
        _several(desk, started, refresh_id=None, wait=wait, as_json=as_json)
    else:
        begun(desk, run_export(desk, export, full=full), wait=wait, as_json=as_json)


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
    desk = desk_of(producer)
    refreshed = refresh_finished(desk, refresh_id, segments or None)
    if refreshed.unknown:
        known = [segment.name for segment in list_segments(desk).items]
        note(f"{unknown_segments(refreshed.unknown, known)} The others were refreshed all the same.")
    _several(desk, refreshed.runs, refresh_id=refresh_id, wait=wait, as_json=as_json)


def _preview(desk: AnyDesk, export: str, *, full: bool, show: bool, as_json: bool) -> None:
    from producer.previewing import quiet  # noqa: PLC0415 (slow, and only a dry run needs it)

    with quiet():
        found = dry_run_export(desk, export, full=full, show=show)
    if as_json:
        print_json(found)
    else:
        click.echo(forecast(found))


def _several(
    desk: AnyDesk, runs: Sequence[RunDocument], *, refresh_id: str | None, wait: bool, as_json: bool
) -> None:
    if not runs:
        which = (
            "runs by itself" if refresh_id is None else "has run: on_refresh and takes one of these segments"
        )
        note(f"Nothing to run: no export {which}.")
    if wait and runs:
        ended = wait_for(desk, [run.run_id for run in runs])
        finish(ended, _document(refresh_id, ended), as_json=as_json)
        return
    if as_json:
        print_json(_document(refresh_id, runs))
    tell_started(desk, runs, as_json=as_json)


def _document(refresh_id: str | None, runs: Sequence[RunDocument]) -> dict[str, Any]:
    return {"refresh_id": refresh_id, "runs": runs}
