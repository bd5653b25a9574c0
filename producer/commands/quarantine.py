"""quarantine: whom Mailchimp refused for good, and who is therefore not sent again for a while."""

from typing import Final

import click

from producer.application import Producer
from producer.commands.common import desk_of, json_option, note, print_json
from producer.operations.documents import InQuarantine
from producer.operations.quarantine import clear_quarantine, list_quarantine
from producer.wording import counted, moment, table

_WIDEST: Final = 80


@click.group()
def quarantine() -> None:
    """Show or empty the quarantine of an export.

    Whom Mailchimp refuses for good is not sent again until the profile changes or the time is over.
    """


@quarantine.command("list")
@click.argument("export")
@json_option
@click.pass_obj
def list_(producer: Producer, export: str, *, as_json: bool) -> None:
    """Show who is in the quarantine of EXPORT: address, code, reason, and until when."""
    found = list_quarantine(desk_of(producer), export)
    if as_json:
        print_json({"export": export, "quarantine": [_document(each) for each in found]})
    elif found:
        rows = [
            [each.email, moment(each.until.isoformat()), each.code, _short(each.message)] for each in found
        ]
        click.echo(table(["ADDRESS", "UNTIL (UTC)", "CODE", "REASON"], rows))
    else:
        note(f"Nobody is in the quarantine of {export}.")


@quarantine.command()
@click.argument("export")
@click.argument("address", required=False)
@click.pass_obj
def clear(producer: Producer, export: str, address: str | None) -> None:
    """Empty the quarantine of EXPORT, or let ADDRESS alone out of it: the next run sends them again.

    Not while a run of EXPORT is under way, which would bring them back.
    """
    count = clear_quarantine(desk_of(producer), export, address)
    sent = "" if not count else ": the next run sends them again"
    click.echo(f"{counted(count, 'profile')} let out of quarantine{sent}.")


def _document(each: InQuarantine) -> dict[str, str]:
    until = each.until.isoformat()
    return {"email": each.email, "code": each.code, "reason": each.message, "until": until}


def _short(text: str) -> str:
    """Mailchimp's words on one line, without anything that a terminal would obey."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
