"""export: add, edit, duplicate, detach, remove, enable, disable and schedule exports."""

import click

from producer.application import Producer
from producer.commands.common import desk_of
from producer.commands.values import values_argument, values_of
from producer.operations import exports
from producer.wording import counted


@click.group()
def export() -> None:
    """Add, edit, schedule or remove exports; `get exports` lists them."""


@export.command()
@click.argument("name")
@values_argument
@click.pass_obj
def add(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Add export NAME with values as in a configuration file."""
    exports.add_export(desk_of(producer), name, values_of(values))
    click.echo(f"Export {name} is added: segment-export run {name} --dry-run")


@export.command()
@click.argument("name")
@values_argument
@click.pass_obj
def edit(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Change values of export NAME; KEY= takes one back to its default."""
    exports.edit_export(desk_of(producer), name, values_of(values))
    click.echo(f"Export {name} is changed.")


@export.command()
@click.argument("name")
@click.argument("new_name")
@values_argument
@click.pass_obj
def duplicate(producer: Producer, name: str, new_name: str, values: tuple[str, ...]) -> None:
    """Add a copy of NAME as NEW_NAME, with other values; it is disabled until you enable it."""
    exports.duplicate_export(desk_of(producer), name, new_name, values_of(values))
    click.echo(f"Export {new_name} is added: segment-export export enable {new_name}")


@export.command()
@click.argument("name")
@click.pass_obj
def detach(producer: Producer, name: str) -> None:
    """Take the connection of NAME away and stop its runs; it is kept until another is set."""
    exports.detach_export(desk_of(producer), name)
    click.echo(f"Export {name} is detached: segment-export export edit {name} connection=…")


@export.command()
@click.argument("name")
@click.pass_obj
def remove(producer: Producer, name: str) -> None:
    """Remove NAME, stop its runs and forget what was sent; members keep their tags."""
    removed = exports.remove_export(desk_of(producer), name)
    runs = f": {counted(len(removed.canceled), 'run')} canceled" if removed.canceled else ""
    click.echo(f"Export {name} is removed{runs}.")


@export.command()
@click.argument("name")
@click.pass_obj
def enable(producer: Producer, name: str) -> None:
    """Let NAME run again."""
    exports.enable_export(desk_of(producer), name)
    click.echo(f"Export {name} is enabled.")


@export.command()
@click.argument("name")
@click.pass_obj
def disable(producer: Producer, name: str) -> None:
    """Keep NAME from starting; a run that is under way goes on."""
    exports.disable_export(desk_of(producer), name)
    click.echo(f"Export {name} is disabled.")


@export.command()
@click.argument("run")
@click.argument("names", nargs=-1, required=True)
@click.option("--time-zone", help="Where the cron line's clock hangs, such as Europe/Berlin.")
@click.pass_obj
def schedule(producer: Producer, run: str, names: tuple[str, ...], time_zone: str | None) -> None:
    """Run NAMES on_refresh, manual, or by a cron line: all of them, or none is changed."""
    exports.schedule_exports(desk_of(producer), names, run, time_zone)
    click.echo(f"{counted(len(set(names)), 'export')} scheduled: {run}.")


@export.command("add-segment")
@click.argument("name")
@click.argument("segment")
@click.pass_obj
def add_segment(producer: Producer, name: str, segment: str) -> None:
    """Let export NAME take SEGMENT too."""
    exports.add_segment_to_export(desk_of(producer), segment, name)
    click.echo(f"Export {name} takes segment {segment}.")
