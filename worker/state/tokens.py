"""API tokens: 256 random bits, shown once and kept as a hash."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Final, cast

import msgspec
import redis

from worker.state import keys
from worker.state.client import read_hash

PREFIX: Final = "se_"
_BYTES: Final = 32
_ID_LENGTH: Final = 16
_FORM: Final = re.compile(r"se_[A-Za-z0-9_-]{43}", re.ASCII)
_USE_IS_NOTED: Final = timedelta(minutes=1)


class Token(msgspec.Struct, frozen=True):
    """What is known of a token: everything but itself. `id` names it, and is no secret."""

    id: str
    name: str
    role: str
    hash: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    used_at: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


class Tokens:
    """The tokens of an installation. Each question is asked of Redis, so a revoked one is refused at once."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def create(
        self,
        name: str,
        role: str,
        *,
        by: str,
        now: datetime,
        expires_at: datetime | None = None,
        within: "redis.client.Pipeline | None" = None,
    ) -> tuple[str, Token]:
        """Makes a token; gives it, this once, with what is kept of it."""
        secret = PREFIX + secrets.token_urlsafe(_BYTES)
        digest = _digest(secret)
        token = Token(digest[:_ID_LENGTH], name, role, digest, now, by, expires_at)
        (within or self._client).hset(keys.TOKENS, token.id, msgspec.json.encode(token).decode())
        return secret, token

    def find(self, secret: str, now: datetime) -> Token | None:
        """The token, if this is one that may be used now; that it was used is noted once a minute."""
        if not _FORM.fullmatch(secret):
            return None
        digest = _digest(secret)
        token = self.get(digest[:_ID_LENGTH])
        if token is None or not hmac.compare_digest(token.hash, digest) or token.expired(now):
            return None
        if token.used_at is None or now - token.used_at >= _USE_IS_NOTED:
            self._client.hset(keys.TOKENS_USED, token.id, now.isoformat())
        return token

    def get(self, token_id: str) -> Token | None:
        """What is known of the token of this id; None if there is none."""
        stored = cast("str | None", self._client.hget(keys.TOKENS, token_id))
        used = cast("str | None", self._client.hget(keys.TOKENS_USED, token_id)) if stored else None
        return _token(stored, used) if stored else None

    def all(self) -> list[Token]:
        """All tokens, the oldest first."""
        used = read_hash(self._client, keys.TOKENS_USED)
        found = [
            _token(stored, used.get(key)) for key, stored in read_hash(self._client, keys.TOKENS).items()
        ]
        return sorted(found, key=lambda token: (token.created_at, token.id))

    def revoke(self, token_id: str, *, within: "redis.client.Pipeline | None" = None) -> None:
        """Forgets a token: it is refused from now on."""
        client = within or self._client
        client.hdel(keys.TOKENS, token_id)
        client.hdel(keys.TOKENS_USED, token_id)


def _digest(secret: str) -> str:
    # a random secret of 256 bits needs no slow hash: there is nothing to guess
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(stored: str, used: str | None) -> Token:
    token = msgspec.json.decode(stored, type=Token)
    used_at = datetime.fromisoformat(used) if used else None
    return msgspec.structs.replace(token, used_at=used_at)
