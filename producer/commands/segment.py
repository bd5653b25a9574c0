"""segment: add, edit and remove segments."""

import click

from producer.application import Producer
from producer.commands.common import desk_of
from producer.commands.values import values_argument, values_of
from producer.operations import segments


@click.group()
def segment() -> None:
    """Add, edit or remove segments; `get segments` lists them."""


@segment.command()
@click.argument("name")
@values_argument
@click.pass_obj
def add(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Add segment NAME with values as in a configuration file."""
    segments.add_segment(desk_of(producer), name, values_of(values))
    click.echo(f"Segment {name} is added: segment-export export add-segment EXPORT {name}")


@segment.command()
@click.argument("name")
@values_argument
@click.pass_obj
def edit(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Change values of segment NAME; KEY= takes one back to its default."""
    segments.edit_segment(desk_of(producer), name, values_of(values))
    click.echo(f"Segment {name} is changed.")


@segment.command()
@click.argument("name")
@click.pass_obj
def remove(producer: Producer, name: str) -> None:
    """Remove segment NAME, which no export may take."""
    segments.remove_segment(desk_of(producer), name)
    click.echo(f"Segment {name} is removed.")
