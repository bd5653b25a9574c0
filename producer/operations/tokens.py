"""API tokens, and who a caller is."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from producer.access import RULES, Caller, Role
from producer.application import Producer
from producer.desk import Desk, operation
from producer.operations.documents import Identity, NewToken, Page, TokenView
from worker.errors import NotThere, UsageError
from worker.state.tokens import Token

_NAME_LENGTH: Final = 100


def authenticate(producer: Producer, token: str, now: datetime) -> Caller | None:
    """Who calls with this token; None for one that is unknown, revoked or past its time."""
    found = producer.tokens.find(token, now)
    return Caller(found.name, Role(found.role)) if found else None


@operation
def who_am_i(desk: Desk) -> Identity:
    """The caller's name, role, and what they may do."""
    caller = desk.caller
    allowed = sorted(name for name, least in RULES.items() if caller.role.covers(least))
    return Identity(name=caller.name, role=caller.role, operations=allowed)


@operation
def create_token(desk: Desk, name: str, role: str, *, expires_at: datetime | None = None) -> NewToken:
    """Makes a token; it is shown this once.

    Raises:
        UsageError: the name, the role or the time can't be used.
    """
    now = datetime.now(UTC)
    _check(name, role, expires_at, now)
    with desk.producer.client.pipeline(transaction=True) as pipeline:
        secret, token = desk.producer.tokens.create(
            name, role, by=desk.caller.name, now=now, expires_at=expires_at, within=pipeline
        )
        desk.record("create_token", f"token {token.id}", after=_facts(token), within=pipeline)
        pipeline.execute()
    return NewToken(**_view(token, now).model_dump(), token=secret)


@operation
def list_tokens(desk: Desk, *, after: str = "", limit: int | None = None) -> Page[TokenView]:
    """All tokens, without themselves, the oldest first."""
    now, tokens = datetime.now(UTC), desk.producer.tokens.all()
    ids = [token.id for token in tokens]
    rest = tokens[ids.index(after) + 1 :] if after in ids else tokens
    shown = rest if limit is None else rest[:limit]
    more = shown[-1].id if shown and len(shown) < len(rest) else None
    return Page([_view(token, now) for token in shown], more)


@operation
def revoke_token(desk: Desk, token_id: str) -> TokenView:
    """Ends a token at once.

    Raises:
        NotThere: there is none of that id.
    """
    token = desk.producer.tokens.get(token_id)
    if token is None:
        raise NotThere("There is no token of that id: see the list of tokens, which has their ids.")
    with desk.producer.client.pipeline(transaction=True) as pipeline:
        desk.producer.tokens.revoke(token_id, within=pipeline)
        desk.record("revoke_token", f"token {token_id}", before=_facts(token), within=pipeline)
        pipeline.execute()
    return _view(token, datetime.now(UTC))


def _check(name: str, role: str, expires_at: datetime | None, now: datetime) -> None:
    if not 0 < len(name.strip()) <= _NAME_LENGTH or not name.isprintable():
        raise UsageError(f"A token's name is 1 to {_NAME_LENGTH} printable characters: give another.")
    if role not in list(Role):
        raise UsageError(f"A token's role is one of {', '.join(Role)}: give one of them.")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
        raise UsageError("A token's expiry is a moment to come, with its time zone: give a later one.")


def _facts(token: Token) -> dict[str, str | None]:
    until = token.expires_at.isoformat() if token.expires_at else None
    return {"name": token.name, "role": token.role, "expires_at": until}


def _view(token: Token, now: datetime) -> TokenView:
    values = msgspec.structs.asdict(token)
    del values["hash"]
    return TokenView(**values, expired=token.expired(now))
