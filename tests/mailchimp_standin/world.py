"""Everything that the stand-in knows: its accounts, audiences, clock, latency and faults."""

import base64
import binascii
import logging
import random
import time
from collections.abc import Callable
from typing import Literal

from .accounts import Account
from .audience import DEFAULT_FIELDS, Audience
from .faults import Faults
from .login import Login
from .problems import not_found
from .reports import Statistics

API_KEY = "0123456789abcdef0123456789abcdef-us1"
LIST_ID = "a1b2c3d4e5"

Answers = Literal["full", "brief"]
# seconds, a span of them, or a function of endpoint and path
Latency = float | tuple[float, float] | Callable[[str, str], float]

log = logging.getLogger("mailchimp_standin")


class World:
    """The state, without HTTP; only ever touched from the server's own thread."""

    def __init__(self, *, latency: Latency = 0.0, answers: Answers = "full", seed: int = 0) -> None:
        self.latency = latency
        self.answers: Answers = answers
        self.clock_offset = 0.0
        self.accounts: dict[str, Account] = {}
        self.audiences: dict[str, Audience] = {}
        self.faults = Faults()
        self.login = Login(API_KEY)
        self.unauthorized = 0
        self.warnings: list[str] = []
        self._random = random.Random(seed)
        self._by_header: dict[str, Account | None] = {}

    def now(self) -> float:
        return time.time() + self.clock_offset

    def pause(self, endpoint: str, path: str) -> float:
        """How long this call takes, in seconds."""
        if isinstance(self.latency, tuple):
            return self._random.uniform(*self.latency)
        return self.latency(endpoint, path) if callable(self.latency) else self.latency

    def warn(self, sentence: str) -> None:
        """Something that a real exporter should never do was done."""
        log.warning(sentence)
        self.warnings.append(sentence)

    def add_account(self, api_key: str) -> Account:
        self._by_header.clear()
        return self.accounts.setdefault(api_key, Account(api_key))

    def add_audience(self, list_id: str, owner: str) -> Audience:
        self.audiences[list_id] = Audience(list_id, owner, DEFAULT_FIELDS, self.now())
        return self.audiences[list_id]

    def authenticate(self, header: str) -> Account | None:
        """By `Authorization`: Basic with any user and the key as password, or Bearer; tokens by Bearer."""
        if header not in self._by_header:
            scheme, _, token = header.partition(" ")
            of_token = self.login.tokens.get(token) if scheme.lower() == "bearer" else None
            self._by_header[header] = self.accounts.get(of_token or _key(header))
        account = self._by_header[header]
        return None if account is None or account.revoked else account

    def audience(self, list_id: str, account: Account) -> Audience:
        """An audience of this account.

        Raises:
            Problem: 404, also for another account's.
        """
        audience = self.audiences.get(list_id)
        if audience is None or audience.owner != account.api_key:
            raise not_found()
        return audience

    def statistics(self) -> Statistics:
        accounts = {key: account.statistics() for key, account in self.accounts.items()}
        return Statistics(
            calls=sum(sum(account.calls.values()) for account in accounts.values()),
            unauthorized=self.unauthorized,
            accounts=accounts,
            resubscribed={audience.id: audience.resubscribed for audience in self.audiences.values()},
            warnings=tuple(self.warnings),
        )


def _key(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials
    try:
        user_and_key = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return user_and_key.partition(":")[2] if scheme.lower() == "basic" else ""
