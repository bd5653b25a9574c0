"""What commands share: options, where output goes, waiting for runs."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import click
import msgspec

from producer.application import Producer
from producer.desk import AnyDesk, Desk
from producer.following import NO_WORKERS, follow
from producer.operations.runs import watch_run
from producer.remote.elsewhere import Elsewhere
from producer.screens import screen
from producer.summary import summary
from producer.wording import counted
from worker.exports.runs import GOOD, RunDocument

INTERRUPTED: Final = 130

_Command = TypeVar("_Command", bound=Callable[..., Any])
Option: TypeAlias = Callable[[_Command], _Command]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; all else goes to standard error."
)
wait_option = click.option(
    "--wait", is_flag=True, help="Follow until the end; exit with 0 if every run was successful or skipped."
)


def desk_of(producer: Producer) -> AnyDesk:
    """The desk that a command goes to: that of whoever sits here, or one that is far away."""
    return producer.desk if isinstance(producer, Elsewhere) else Desk.local(producer)


def print_json(document: Any) -> None:
    """Prints a document to standard output, in a line of UTF-8 whatever the terminal's encoding."""
    click.echo(msgspec.json.encode(document))


def note(sentence: str) -> None:
    """Tells something to whoever sits in front of it."""
    click.echo(sentence, err=True)


def wait_for(desk: AnyDesk, run_ids: Sequence[str]) -> list[RunDocument]:
    """Follows runs on standard error until they are over; Ctrl-C leaves them going on, and says so."""
    follower = watch_run(desk, *run_ids)
    try:
        return follow(follower, screen(), desk.idle)
    except KeyboardInterrupt:
        note(_goes_on(run_ids))
        raise click.exceptions.Exit(INTERRUPTED) from None


def begun(desk: AnyDesk, started: RunDocument, *, wait: bool, as_json: bool) -> None:
    """Tells of a run that was started or, on demand, of its end."""
    if wait:
        ended = wait_for(desk, [started.run_id])
        finish(ended, ended[0], as_json=as_json)
        return
    if as_json:
        print_json(started)
    tell_started(desk, [started], as_json=as_json)


def tell_started(desk: AnyDesk, runs: Sequence[RunDocument], *, as_json: bool) -> None:
    """Tells people of runs that were started, and how to follow them."""
    for each in runs:
        click.echo(f"Run {each.run_id} of {each.export} is {each.status}.", err=as_json)
    if len(runs) == 1 and not runs[0].ended:
        note(f"To follow it: segment-export watch {runs[0].run_id}")
    if not all(each.ended for each in runs) and desk.idle():
        note(NO_WORKERS)


def finish(runs: Sequence[RunDocument], document: Any, *, as_json: bool) -> None:
    """Prints how runs ended, and exits with 1 unless all of them went well."""
    if as_json:
        print_json(document)
    if runs:
        click.echo(summary(runs), err=as_json)
    if not all(run.status in GOOD for run in runs):
        raise click.exceptions.Exit(1)


def _goes_on(run_ids: Sequence[str]) -> str:
    run_id, subject = run_ids[0], f"Run {run_ids[0]} goes on."
    if len(run_ids) > 1:
        subject = f"{counted(len(run_ids), 'run')} go on; `segment-export get runs` lists them."
        run_id = "RUN"
    ways = (("to follow it:", "watch"), ("to stop it:", "cancel"))
    return "\n".join([subject, *(f"  {way:<13}  segment-export {command} {run_id}" for way, command in ways)])
