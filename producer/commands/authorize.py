"""connection authorize: the page where somebody lets this installation use their Mailchimp account."""

import getpass

import click

from producer.application import Producer
from producer.authorizing import begin
from producer.commands.common import note


@click.group()
def connection() -> None:
    """Authenticate with Mailchimp."""


@connection.command()
@click.argument("name")
@click.pass_obj
def authorize(producer: Producer, name: str) -> None:
    """Print a link: who follows it and agrees lets connection NAME use their Mailchimp account."""
    click.echo(begin(producer, _user(), producer.catalog.connection(name)))
    note("Open this link within ten minutes, once, and agree: the connection works from then on.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "local"
