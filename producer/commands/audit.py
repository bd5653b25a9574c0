"""audit: who changed what, and when."""

import json
from typing import Any

import click

from producer.application import Producer
from producer.commands.common import desk_of, json_option, note, print_json
from producer.operations.audit import list_audit
from producer.wording import table


@click.command()
@click.option("--who", help="Changes by this user or token only.")
@click.option("--what", help="This operation only, such as edit_export.")
@click.option("--on", help="Changes of this only, such as 'export weekly'.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@json_option
@click.pass_obj
def audit(
    producer: Producer, *, who: str | None, what: str | None, on: str | None, limit: int, as_json: bool
) -> None:
    """List who changed what and when, the newest first."""
    found = list_audit(desk_of(producer), who=who, what=what, on=on, limit=limit).items
    if as_json:
        print_json({"audit": [each.model_dump(mode="json") for each in found]})
        return
    rows = [
        [
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            each.who,
            each.what,
            each.on,
            _short(each.before),
            _short(each.after),
        ]
        for each in found
    ]
    if rows:
        click.echo(table(["WHEN (UTC)", "WHO", "WHAT", "ON", "BEFORE", "AFTER"], rows))
    else:
        note("No such change is recorded.")


def _short(values: dict[str, Any] | None, most: int = 60) -> str:
    text = json.dumps(values) if values else ""
    return text if len(text) <= most else f"{text[: most - 1]}…"
