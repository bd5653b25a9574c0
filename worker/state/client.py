"""The Redis client: how it reconnects, and replies with the types they have."""

from datetime import timedelta
from typing import cast

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

_SOCKET_TIMEOUT = timedelta(seconds=5)
_HEALTH_CHECK = timedelta(seconds=15)
_RETRIES = 6


def connect(url: str, *, text: bool = True) -> "redis.Redis":
    """A client that rides out a restart of the server: about three seconds of retries for each command.

    A retried command may have been carried out before; every transition bears being repeated. Replies
    are text, or bytes for the broker.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=text,
        socket_timeout=_SOCKET_TIMEOUT.total_seconds(),
        socket_connect_timeout=_SOCKET_TIMEOUT.total_seconds(),
        health_check_interval=int(_HEALTH_CHECK.total_seconds()),
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), _RETRIES),
        retry_on_error=[redis.ConnectionError, redis.TimeoutError],
    )


def read_hash(client: "redis.Redis", key: str) -> dict[str, str]:
    """All fields of a hash; empty if there is none."""
    return cast("dict[str, str]", client.hgetall(key))


def read_set(client: "redis.Redis", key: str) -> list[str]:
    """The members of a set, sorted."""
    return sorted(cast("set[str]", client.smembers(key)))


def read_newest(client: "redis.Redis", key: str) -> list[str]:
    """The members of a sorted set, highest score first."""
    return cast("list[str]", client.zrevrange(key, 0, -1))


def now_ms(client: "redis.Redis") -> int:
    """The server's clock, the only one that leases know, in milliseconds since the epoch."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000
