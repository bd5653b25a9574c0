"""connection: add, edit, share, authorize and remove connections, record consent, rotate keys."""

from datetime import date, datetime
from typing import Literal

import click

from producer.application import Producer
from producer.commands.common import desk_of, note
from producer.commands.values import key_file_option, key_of, values_argument, values_of
from producer.operations import connections
from producer.wording import counted
from worker.credentials import REFERENCES


@click.group()
def connection() -> None:
    """Add, edit, share or remove connections; `get connections` lists them."""


@connection.command()
@click.argument("name")
@values_argument
@key_file_option
@click.pass_obj
def add(producer: Producer, name: str, values: tuple[str, ...], key_file: str | None) -> None:
    """Add connection NAME with values as in a configuration file."""
    given = {"type": "mailchimp"} | values_of(values) | ({"api_key": key_of(key_file)} if key_file else {})
    connections.add_connection(desk_of(producer), name, given)
    click.echo(f"Connection {name} is added: segment-export check {name}")


@connection.command()
@click.argument("name")
@values_argument
@click.pass_obj
def edit(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Change values of connection NAME; KEY= takes one back to its default."""
    connections.edit_connection(desk_of(producer), name, values_of(values))
    click.echo(f"Connection {name} is changed.")


@connection.command()
@click.argument("name")
@click.argument("access", type=click.Choice(["administrators", "contributors"]))
@click.pass_obj
def share(producer: Producer, name: str, access: Literal["administrators", "contributors"]) -> None:
    """Say who may use connection NAME."""
    connections.share_connection(desk_of(producer), name, access)
    click.echo(f"Connection {name} may be used by {access}.")


@connection.command()
@click.argument("name")
@click.option("--by", required=True, help="Who agreed that data goes to this account.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of it; today by default.")
@click.option("--text", help="The words that were agreed to.")
@click.pass_obj
def consent(producer: Producer, name: str, by: str, day: datetime | None, text: str | None) -> None:
    """Record who agreed that data goes over connection NAME."""
    agreed_on = (day.date() if day else date.today()).isoformat()  # noqa: DTZ011 - the day on the wall
    words = {"text": text} if text is not None else {}
    given = {"agreed_by": by, "agreed_on": agreed_on} | words
    connections.record_consent(desk_of(producer), name, given)
    click.echo(f"The consent of connection {name} is recorded.")


@connection.command("rotate-key")
@click.argument("name")
@click.argument("reference", required=False)
@key_file_option
@click.pass_obj
def rotate_key(producer: Producer, name: str, reference: str | None, key_file: str | None) -> None:
    """Give connection NAME another API key: from a file, or a REFERENCE, env:NAME or file:PATH."""
    if (reference is None) == (key_file is None):
        raise click.UsageError("Give --key-file FILE (- is standard input), or env:NAME or file:PATH.")
    if reference is not None and not reference.startswith(REFERENCES):
        raise click.UsageError("A key on the command line can be read by others: give --key-file FILE.")
    connections.rotate_key(desk_of(producer), name, reference or key_of(key_file or "-"))
    click.echo(f"Connection {name} has another key: segment-export check {name}")


@connection.command()
@click.argument("name")
@values_argument
@click.pass_obj
def authorize(producer: Producer, name: str, values: tuple[str, ...]) -> None:
    """Print a link: who follows it and agrees lets connection NAME use their Mailchimp account.

    With values as in a configuration file, the connection is added when they have agreed.
    """
    given = {"type": "mailchimp"} | values_of(values) if values else None
    click.echo(connections.authorize_connection(desk_of(producer), name, given).link)
    note("Open this link within ten minutes, once, and agree: the connection works from then on.")


@connection.command()
@click.argument("name")
@click.option(
    "--exports",
    type=click.Choice(["refuse", "detach", "remove"]),
    default="refuse",
    show_default=True,
    help="What becomes of the exports over it.",
)
@click.pass_obj
def remove(producer: Producer, name: str, exports: Literal["refuse", "detach", "remove"]) -> None:
    """Remove connection NAME and stop its runs; calls in flight end."""
    removed = connections.remove_connection(desk_of(producer), name, exports=exports)
    parts = [
        f"{counted(len(names), noun)} {what}"
        for names, noun, what in (
            (removed.detached, "export", "detached"),
            (removed.removed, "export", "removed"),
            (removed.canceled, "run", "canceled"),
        )
        if names
    ]
    click.echo(f"Connection {name} is removed{': ' if parts else ''}{', '.join(parts)}.")
