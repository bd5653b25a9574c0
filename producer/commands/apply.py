"""apply: declare connections, segments and exports."""

from collections import Counter
from pathlib import Path

import click

from producer.application import Producer
from producer.commands.common import desk_of, note
from producer.declaring import CatalogRefused
from producer.operations.catalog import apply_catalog
from producer.wording import counted, number


@click.command()
@click.option(
    "-f",
    "--file",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The YAML file that declares them.",
)
@click.pass_obj
def apply(producer: Producer, path: Path) -> None:
    """Declare the connections, segments and exports of a file.

    The file is checked as a whole, then saved as a whole, or not at all. What it does not name stays.
    """
    try:
        applied = apply_catalog(desk_of(producer), path)
    except CatalogRefused as refused:
        note(str(refused))
        note(f"{counted(len(refused.problems), 'problem')}: nothing was saved.")
        raise click.exceptions.Exit(1) from None
    for warning in applied.warnings:
        note(f"Warning: {warning}")
    for change in applied.changes:
        click.echo(f"{change.what:<9}  {change.kind} {change.name}")
    tally = Counter(change.what for change in applied.changes)
    note(", ".join(f"{number(tally[what])} {what}" for what in ("added", "changed", "unchanged")) + ".")
