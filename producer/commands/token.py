"""token: make, list and revoke API tokens."""

from datetime import UTC, datetime, timedelta

import click

from producer.access import Role
from producer.application import Producer
from producer.commands.common import desk_of, json_option, note, print_json
from producer.operations.tokens import create_token, list_tokens, revoke_token
from producer.wording import moment, table


@click.group()
def token() -> None:
    """Make, list or revoke tokens for the HTTP API."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(list(map(str, Role))), required=True, help="What it may do.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it can be used; for ever by default.")
@json_option
@click.pass_obj
def create(producer: Producer, name: str, role: str, days: int | None, *, as_json: bool) -> None:
    """Make a token NAME, and print it this once."""
    until = datetime.now(UTC) + timedelta(days=days) if days else None
    made = create_token(desk_of(producer), name, role, expires_at=until)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        click.echo(made.token)
    note(f"Token {made.id} of {name}: keep it now, it is not shown again.")


@token.command("list")
@json_option
@click.pass_obj
def list_(producer: Producer, *, as_json: bool) -> None:
    """List tokens, without themselves."""
    found = list_tokens(desk_of(producer)).items
    if as_json:
        print_json({"tokens": [each.model_dump(mode="json") for each in found]})
        return
    rows = [
        [
            each.id,
            each.name,
            each.role,
            *(
                moment(at.isoformat()) if at else "-"
                for at in (each.created_at, each.expires_at, each.used_at)
            ),
        ]
        for each in found
    ]
    if rows:
        click.echo(table(["TOKEN", "NAME", "ROLE", "MADE (UTC)", "EXPIRES (UTC)", "USED (UTC)"], rows))
    else:
        note("There are no tokens yet: `segment-export token create NAME --role viewer` makes one.")


@token.command()
@click.argument("token_id", metavar="TOKEN")
@click.pass_obj
def revoke(producer: Producer, token_id: str) -> None:
    """End TOKEN at once; it is named by its id, as `token list` shows it."""
    revoked = revoke_token(desk_of(producer), token_id)
    click.echo(f"Token {revoked.id} of {revoked.name} is revoked.")
