"""API tokens, and who a caller is."""

from datetime import datetime

from producer.access import Caller, Role
from producer.application import Producer
from producer.desk import Desk, operation
from producer.operations.documents import Identity, NewToken, Page, TokenView


def authenticate(producer: Producer, token: str, now: datetime) -> Caller | None:
    """Who calls with this token; None for one that is unknown, revoked or past its time."""
    found = producer.tokens.find(token, now)
    return Caller(found.name, Role(found.role)) if found else None


@operation
def who_am_i(desk: Desk) -> Identity:
    """The caller's name, role, and what they may do."""
    raise NotImplementedError


@operation
def create_token(desk: Desk, name: str, role: str, *, expires_at: datetime | None = None) -> NewToken:
    """Makes a token; it is shown this once."""
    raise NotImplementedError


@operation
def list_tokens(desk: Desk, *, after: str = "", limit: int | None = None) -> Page[TokenView]:
    """All tokens, without themselves."""
    raise NotImplementedError


@operation
def revoke_token(desk: Desk, token_id: str) -> TokenView:
    """Ends a token at once."""
    raise NotImplementedError
