"""notify: tell a channel something, to see whether it arrives."""

import secrets
from datetime import UTC, datetime

import click

from producer.application import Producer
from producer.notifications.faults import NotSent
from producer.notifications.notices import TEST, Notice
from producer.notifications.sending import Sender
from worker.errors import TellOperator
from worker.settings import environ


@click.command()
@click.argument("channel")
@click.pass_obj
def notify(producer: Producer, channel: str) -> None:
    """Send a test notification to CHANNEL, at once and from here."""
    found, now = producer.catalog.notification(channel), datetime.now(UTC)
    reason = "This is a test: notifications of segment-export arrive here."
    notice = Notice(f"{TEST}-{secrets.token_hex(8)}.{found.name}", TEST, "", now, reason)
    try:
        Sender(producer.keyring, environ()).send(found, notice, now)
    except NotSent as fault:
        raise TellOperator(f"Notification {found.name} was not told: {fault}.") from None
    click.echo(f"Notification {found.name} was told.")
