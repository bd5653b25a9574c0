"""Failed attempts to get in, counted for a minute, so that guessing costs time."""

import hashlib
from datetime import timedelta
from typing import Final

import redis

from worker.state import keys

WINDOW: Final = timedelta(minutes=1)


class Attempts:
    """Counts failures by whatever they have in common, such as where they came from."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def count(self, *origins: str) -> list[int]:
        """Counts a failure for each of the origins; how many each has had in its minute, with this one."""
        with self._client.pipeline(transaction=True) as pipeline:
            for origin in origins:
                key = keys.attempts(_name(origin))
                pipeline.incr(key)
                pipeline.expire(key, WINDOW, nx=True)
            return [int(answer) for answer in pipeline.execute()[::2]]


def _name(origin: str) -> str:
    # neither addresses nor parts of tokens are for a reader of the keys
    return hashlib.sha256(origin.encode()).hexdigest()[:32]
