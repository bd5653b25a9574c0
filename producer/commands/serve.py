"""serve: the HTTP API."""

import click

from producer.application import Producer


@click.command()
@click.pass_obj
def serve(producer: Producer) -> None:
    """Answer HTTP requests at SEGMENT_EXPORT_HOST and PORT, until SIGTERM or Ctrl-C."""
    from producer.http import serving  # noqa: PLC0415 (slow, and help needs none of it)

    serving.serve(producer)
