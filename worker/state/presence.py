"""Which worker processes are alive, and whose turn it is to sweep."""

import os
import secrets
import socket
from datetime import timedelta
from typing import Final

import redis

from worker.state import keys
from worker.state.client import now_ms
from worker.state.scripts import milliseconds

_FORGET: Final = timedelta(minutes=10)


class Presence:
    """This process among its peers: the workers, or those of another `place`."""

    def __init__(self, client: "redis.Redis", place: str = keys.WORKERS) -> None:
        self._client = client
        self._place = place
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def seen(self) -> None:
        """Says that this process lives."""
        now = now_ms(self._client)
        self._client.zadd(self._place, {self._name: now})
        self._client.zremrangebyscore(self._place, "-inf", now - milliseconds(_FORGET))

    def gone(self) -> None:
        """Says that this process ends."""
        self._client.zrem(self._place, self._name)

    def alive(self, within: timedelta = timedelta(seconds=15)) -> int:
        """How many of these processes were seen lately."""
        return int(self._client.zcount(self._place, now_ms(self._client) - milliseconds(within), "+inf"))

    def takes_turn(self, name: str, lasts: timedelta) -> bool:
        """Whether this process may do a shared chore now; for `lasts` nobody else gets the turn."""
        return bool(self._client.set(keys.turn(name), self._name, px=milliseconds(lasts), nx=True))
