"""pause and resume: whether calls may begin on a connection."""

import click

from producer.application import Producer
from producer.desk import Desk
from producer.operations.connections import pause_connection, resume_connection


@click.command()
@click.argument("connection")
@click.pass_obj
def pause(producer: Producer, connection: str) -> None:
    """Let no call begin on CONNECTION until it is resumed; its runs wait."""
    paused = pause_connection(Desk.local(producer), connection)
    still_open = paused.standing.open
    ends = f"; {still_open} in flight will end" if still_open else ""
    click.echo(
        f"Connection {connection} is paused: no call begins{ends}; "
        f"`segment-export resume {connection}` ends that."
    )


@click.command()
@click.argument("connection")
@click.pass_obj
def resume(producer: Producer, connection: str) -> None:
    """Let calls begin on CONNECTION again; its runs go on at once."""
    resumed = resume_connection(Desk.local(producer), connection)
    click.echo(
        f"Connection {connection} is resumed."
        if resumed.changed
        else f"Connection {connection} was not paused."
    )
