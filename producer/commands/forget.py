"""forget: take a person out of everything that is stored."""

import sys

import click

from producer import forgetting
from producer.application import Producer
from producer.commands.common import note
from producer.desk import Desk
from producer.forgetting import Forgotten
from producer.wording import counted


@click.command()
@click.argument("address")
@click.pass_obj
def forget(producer: Producer, address: str) -> None:
    """Take the person of ADDRESS out of snapshots, reports and quarantine; `-` reads it from standard input.

    Sources and Mailchimp's own data are not touched: take the person out there first, or the next run reads
    and sends them again.
    """
    given = sys.stdin.readline() if address == "-" else address
    done = forgetting.forget(producer, given)
    counts = {"snapshots": done.snapshots, "reports": done.reports, "audiences": done.audiences}
    Desk.local(producer).record("forget", "a person", after=counts)
    click.echo(
        f"Forgotten in {counted(done.snapshots, 'snapshot')}, {counted(done.reports, 'part')} of reports "
        f"and {counted(done.audiences, 'reading')} of audiences."
    )
    _tell_what_is_left(done)


def _tell_what_is_left(done: Forgotten) -> None:
    for sentence in done.unreadable:
        note(sentence)
    if done.busy:
        names = ", ".join(sorted(done.busy))
        note(f"Runs of {names} are under way and may hold this person: forget again when they have ended.")
    if done.unreadable or done.busy:
        raise click.exceptions.Exit(1)
