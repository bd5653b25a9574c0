"""doctor: whether this installation is fit to work, and what to mend."""

import click

from producer.application import Producer
from producer.findings import tell
from producer.health import inspect


@click.command()
@click.pass_obj
def doctor(producer: Producer) -> None:
    """Check Redis, store, keys, workers and versions, and say what to mend."""
    tell(inspect(producer))
