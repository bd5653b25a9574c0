"""retry: the failed and rejected profiles of a run, again."""

import click

from producer.application import Producer
from producer.commands.common import begun, desk_of, json_option, wait_option
from producer.operations.runs import retry_run


@click.command()
@click.argument("run")
@wait_option
@json_option
@click.pass_obj
def retry(producer: Producer, run: str, *, wait: bool, as_json: bool) -> None:
    """Send the failed and the rejected profiles of RUN again, and nobody else, in a run of its own.

    It reads the same files again. Quarantine is not asked for these profiles, consent is.
    """
    desk = desk_of(producer)
    begun(desk, retry_run(desk, run), wait=wait, as_json=as_json)
