"""Waiting for a ledger that is away, where what is to be said to it is worth the wait."""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Final, TypeVar

import redis

T = TypeVar("T")

AWAY: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
)
"""What a server answers, or does not, that is restarted, frozen, full or not yet promoted."""

PATIENCE: Final = timedelta(seconds=60)
_PAUSE: Final = timedelta(milliseconds=200)


class Patience:
    """Repeats a transition while the ledger is away, beyond the few seconds of the client.

    The end of a call that can't be noted keeps its slot for as long as the call might have taken, and its
    answer is lost; so the thread that knows of it stays, until the ledger is back, the patience is spent or
    the process has to end.
    """

    def __init__(self, over: Event, span: timedelta = PATIENCE) -> None:
        self._over = over
        self._span = span.total_seconds()

    def insist(self, transition: Callable[[], T]) -> T:
        """Runs a transition that bears being repeated.

        Raises:
            redis.RedisError: the ledger was away for too long, or refused for another reason.
        """
        until = time.monotonic() + self._span
        while True:
            try:
                return transition()
            except AWAY:
                if time.monotonic() > until or self._over.wait(_PAUSE.total_seconds()):
                    raise
