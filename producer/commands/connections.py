"""pause and resume: whether calls may begin on a connection."""

import click

from producer.application import Producer


@click.command()
@click.argument("connection")
@click.pass_obj
def pause(producer: Producer, connection: str) -> None:
    """Let no call begin on CONNECTION until it is resumed; its runs wait."""
    name = producer.catalog.connection(connection).name
    producer.slots.pause(name)
    still_open = producer.slots.state(name).open
    ends = f"; {still_open} in flight will end" if still_open else ""
    click.echo(
        f"Connection {name} is paused: no call begins{ends}; `segment-export resume {name}` ends that."
    )


@click.command()
@click.argument("connection")
@click.pass_obj
def resume(producer: Producer, connection: str) -> None:
    """Let calls begin on CONNECTION again; its runs go on at once."""
    name = producer.catalog.connection(connection).name
    was_paused = producer.slots.state(name).paused
    producer.ring(producer.slots.resume(name))
    click.echo(f"Connection {name} is resumed." if was_paused else f"Connection {name} was not paused.")
