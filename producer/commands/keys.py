"""keys: the secret keys that encrypt everything at rest."""

import click

from producer.application import Producer
from producer.commands.common import note
from producer.desk import Desk
from producer.rotating import rotate as rotate_all
from producer.wording import number, table
from worker.keyring import VARIABLE
from worker.store.resealing import STAGED


@click.group()
def keys() -> None:
    """Change the secret keys."""


@keys.command()
@click.pass_obj
def rotate(producer: Producer) -> None:
    """Encrypt anew with the first key whatever an older one encrypted, while everything runs on.

    Put the new key in front of the old one and restart everything first; take the old one out afterwards.
    """
    found = list(rotate_all(producer))
    Desk.local(producer).record(
        "rotate_keys", "everything at rest", after={place: tally.renewed for place, tally in found}
    )
    rows = [[place, *map(number, (tally.renewed, tally.current, tally.closed))] for place, tally in found]
    click.echo(table(["WHAT", "RENEWED", "FIRST KEY ALREADY", "OLDER KEY STILL"], rows, right={1, 2, 3}))
    waits = sum(tally.closed for place, tally in found if place == STAGED)
    closed = sum(tally.closed for _, tally in found) - waits
    if waits:
        note(f"What is staged ({number(waits)}) goes when its runs have ended: do this again then.")
    if closed:
        note(f"No key opens {number(closed)} of these, or they are damaged: add their key to {VARIABLE}.")
    if waits or closed:
        raise click.exceptions.Exit(1)
    note(f"Everything is under the first key of {VARIABLE}: the older ones can be taken out.")
