"""One sentence for whatever kept a command from being done."""

from collections.abc import Mapping
from typing import Final

import redis

from worker.errors import SegmentExportError

_BY_REDIS: Final[Mapping[type[redis.RedisError], str]] = {
    redis.AuthenticationError: "Redis at {where} refuses the login: correct user and password in REDIS_URL.",
    redis.BusyLoadingError: "Redis at {where} is still loading its data: try again in a moment.",
    redis.ReadOnlyError: "Redis at {where} is a read-only replica: set REDIS_URL to the primary.",
    redis.OutOfMemoryError: "Redis at {where} has no memory left: give it more (maxmemory).",
    redis.ConnectionError: "Redis can't be reached at {where}: start it, or correct REDIS_URL.",
    redis.TimeoutError: "Redis at {where} does not answer: see whether it is overloaded, and try again.",
    redis.RedisError: "Redis at {where} refuses a command ({kind}): see `segment-export doctor`.",
}


def explain(error: Exception, where: str) -> str:
    """The sentence about an error, its own if it is one of ours; `where` is the Redis URL as may be shown."""
    if isinstance(error, SegmentExportError):
        return str(error)
    kind = type(error).__name__
    for known, sentence in _BY_REDIS.items():
        if isinstance(error, known):
            return sentence.format(where=where, kind=kind)
    return (
        f"segment-export met a fault of its own ({kind}): "
        "see where with `segment-export --debug` before the command, and report it."
    )
