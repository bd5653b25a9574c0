"""Whether the process is up, and whether it can do its work: asked without a token."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import redis
from fastapi import APIRouter, Request

from producer.application import Producer
from producer.http.answers import Health
from producer.http.problems import Refusal, answers
from worker.errors import SegmentExportError

router = APIRouter(tags=["health"])

_LASTS: Final = timedelta(seconds=2)
_NEVER_WRITTEN: Final = "readiness/probe"


@router.get("/healthz", response_model=Health)
async def healthz() -> Any:
    """The process is up."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Health, responses=answers(503))
def readyz(request: Request) -> Any:
    """Redis answers, and the store can be read."""
    if why := request.app.state.readiness():
        raise Refusal(503, why)
    return {"status": "ready"}


class Readiness:
    """Asks Redis and the store every two seconds at most: whoever asks here has shown no token."""

    def __init__(self, producer: Producer, clock: Callable[[], float] = time.monotonic) -> None:
        self._producer = producer
        self._clock = clock
        self._known: tuple[float, str] = (float("-inf"), "")

    def __call__(self) -> str:
        """The sentence about what is missing; '' if nothing is."""
        asked, why = self._known
        if self._clock() - asked >= _LASTS.total_seconds():
            why = self._look()
            self._known = (self._clock(), why)
        return why

    def _look(self) -> str:
        try:
            self._producer.client.ping()
        except redis.RedisError:
            return "Redis does not answer this server: start it, or correct REDIS_URL."
        try:
            self._producer.objects.exists(_NEVER_WRITTEN)
        except SegmentExportError:
            return "The store can't be read by this server: `segment-export doctor` says why."
        return ""
