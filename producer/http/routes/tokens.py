"""API tokens, who a caller is, and who changed what."""

from typing import Any

from producer.http.answers import AuditList, TokenList
from producer.http.asked import After, AfterEntry, AuditWord, Limit, Name, TokenWanted
from producer.http.door import AtDesk, guarded_router
from producer.http.problems import OF_BODIES, answers
from producer.operations import audit, tokens
from producer.operations.documents import Identity, NewToken, TokenView

router = guarded_router("access")


@router.get("/me", response_model=Identity)
def who_am_i(desk: AtDesk) -> Any:
    """The token's name and role, and the operations that it allows."""
    return tokens.who_am_i(desk)


@router.get("/tokens", response_model=TokenList)
def list_tokens(desk: AtDesk, after: After = "", limit: Limit = 50) -> Any:
    """All tokens, without themselves."""
    return tokens.list_tokens(desk, after=after, limit=limit)


@router.post("/tokens", response_model=NewToken, status_code=201, responses=answers(409, *OF_BODIES))
def create_token(desk: AtDesk, wanted: TokenWanted) -> Any:
    """Make a token; it is shown this once."""
    return tokens.create_token(desk, wanted.name, wanted.role, expires_at=wanted.expires_at)


@router.delete("/tokens/{token_id}", response_model=TokenView, responses=answers(404))
def revoke_token(desk: AtDesk, token_id: Name) -> Any:
    """End a token at once."""
    return tokens.revoke_token(desk, token_id)


@router.get("/audit", response_model=AuditList)
def list_audit(
    desk: AtDesk,
    *,
    who: AuditWord = None,
    what: AuditWord = None,
    on: AuditWord = None,
    after: AfterEntry = "",
    limit: Limit = 50,
) -> Any:
    """Changes, the newest first."""
    return audit.list_audit(desk, who=who, what=what, on=on, after=after, limit=limit)
