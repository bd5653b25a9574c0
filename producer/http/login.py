"""Who asks: a bearer token, looked up in Redis each time, so that a revoked one is refused at once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from producer.access import Caller, Role, check
from producer.application import Producer
from producer.desk import Desk
from producer.http.problems import Refusal
from worker.state.attempts import WINDOW, Attempts
from worker.state.tokens import Token

FAILURES_OF_ADDRESS: Final = 20
FAILURES_OF_TOKEN: Final = 10
"""Failed attempts a minute, from one address and with one beginning of a token."""

_BEGINNING: Final = 12
_SCHEME: Final = "bearer"
_ASK: Final = {"WWW-Authenticate": "Bearer"}
_WAIT: Final = {"Retry-After": f"{WINDOW.total_seconds():.0f}"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A token that was let in, and its desk."""

    desk: Desk
    token: Token

    def still_welcome(self) -> bool:
        """Whether the token has neither been revoked nor expired since."""
        found = self.desk.producer.tokens.get(self.token.id)
        return found == self.token or (found is not None and not found.expired(datetime.now(UTC)))


async def admit(request: Request, operation: str) -> Visit:
    """Let a request in that has a token whose role covers the operation.

    Raises:
        Refusal: it has none, or there were too many such attempts.
        Forbidden: the role does not cover it.
    """
    producer: Producer = request.app.state.producer
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != _SCHEME:
        raise Refusal(401, "This needs a token: send the header Authorization: Bearer se_….", headers=_ASK)
    visit = await run_in_threadpool(_log_in, producer, secret.strip(), address_of(request))
    check(visit.desk.caller, operation)
    return visit


def address_of(request: Request) -> str:
    """Where a request comes from, as far as that is known."""
    return request.client.host if request.client else ""


def count_failure(producer: Producer, origin: str, *, token: str = "") -> None:
    """Count a failed attempt, by where it came from and by the beginning of its token if it has one.

    Raises:
        Refusal: there were too many within a minute.
    """
    limits = {origin: FAILURES_OF_ADDRESS} | ({f"token {token}": FAILURES_OF_TOKEN} if token else {})
    counts = Attempts(producer.client).count(*limits)
    if any(count > limit for count, limit in zip(counts, limits.values(), strict=True)):
        raise Refusal(429, "Too many attempts that were not let in: wait a minute.", headers=_WAIT)


def _log_in(producer: Producer, secret: str, address: str) -> Visit:
    """Counts failures only: somebody's wrong token must not lock out the right ones behind the same proxy.

    That gives nothing away, since 256 random bits are not guessed, at any rate.
    """
    token = producer.tokens.find(secret, datetime.now(UTC))
    if token is not None:
        return Visit(Desk(producer, Caller(token.name, Role(token.role))), token)
    count_failure(producer, f"address {address}", token=secret[:_BEGINNING])
    raise Refusal(401, "The token is not valid (any more): ask an administrator for one.", headers=_ASK)
