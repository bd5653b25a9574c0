"""check, pause and resume: whether a connection works, and whether calls may begin on it."""

import click

from producer.application import Producer
from producer.commands.common import desk_of
from producer.findings import tell
from producer.operations.connections import check_connection, pause_connection, resume_connection


@click.command()
@click.argument("connection")
@click.pass_obj
def check(producer: Producer, connection: str) -> None:
    """Check CONNECTION: its key, and audience and merge fields of each export over it.

    Asks Mailchimp, within the connection's limit of open calls, and changes nothing.
    """
    tell(check_connection(desk_of(producer), connection))


@click.command()
@click.argument("connection")
@click.pass_obj
def pause(producer: Producer, connection: str) -> None:
    """Let no call begin on CONNECTION until it is resumed; its runs wait."""
    paused = pause_connection(desk_of(producer), connection)
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
    resumed = resume_connection(desk_of(producer), connection)
    click.echo(
        f"Connection {connection} is resumed."
        if resumed.changed
        else f"Connection {connection} was not paused."
    )
