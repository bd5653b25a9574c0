"""webhook-secret: something to sign events with."""

import base64
import secrets

import click

_BYTES = 32


@click.command()
def webhook_secret() -> None:
    """Print a new secret for SEGMENT_EXPORT_WEBHOOK_SECRETS; it is stored nowhere."""
    click.echo(f"whsec_{base64.b64encode(secrets.token_bytes(_BYTES)).decode()}")
