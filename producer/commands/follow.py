"""status, watch, approve and cancel: one run, as it is, as it goes on, and its end."""

import click

from producer.application import Producer
from producer.commands.common import desk_of, finish, json_option, print_json, wait_for
from producer.operations import runs
from producer.summary import summary


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def status(producer: Producer, run: str, *, as_json: bool) -> None:
    """Show how RUN stands."""
    document = runs.show_run(desk_of(producer), run)
    if as_json:
        print_json(document)
    else:
        click.echo(summary([document]))


@click.command()
@click.argument("run")
@click.pass_obj
def watch(producer: Producer, run: str) -> None:
    """Follow RUN until it ends; exit as `run --wait` does."""
    ended = wait_for(desk_of(producer), [run])
    finish(ended, ended[0], as_json=False)


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def approve(producer: Producer, run: str, *, as_json: bool) -> None:
    """Let RUN go on, which a guard is holding: it is planned again and sent."""
    document = runs.approve_run(desk_of(producer), run)
    if as_json:
        print_json(document)
    click.echo(f"Run {run} goes on: segment-export watch {run}", err=as_json)


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def cancel(producer: Producer, run: str, *, as_json: bool) -> None:
    """Stop RUN: no call begins after this, calls in flight end and are counted."""
    canceled = runs.cancel_run(desk_of(producer), run)
    if as_json:
        print_json(canceled.run)
    click.echo(_told(run, ended=canceled.run.ended, stopped=canceled.stopped), err=as_json)


def _told(run: str, *, ended: bool, stopped: bool) -> str:
    if ended:
        return f"Run {run} is canceled."
    begun = "stops" if stopped else "is stopping already"
    return f"Run {run} {begun}: nothing more is sent, and it ends when the calls in flight have."
