"""Live progress as server-sent events: the run document whenever it has changed, until the run has ended."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import anyio
import msgspec
import redis
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from producer.http.problems import Refusal
from worker.exports.runs import RunDocument

MEDIA_TYPE: Final = "text/event-stream"
STREAMS_OF_TOKEN: Final = 10
STREAMS: Final = 100

_POLL: Final = timedelta(milliseconds=500)
_HEARTBEAT: Final = timedelta(seconds=15)
_THREADS: Final = 8


class Streams:
    """The streams that are open: so many of a token, so many in all, and threads for their questions."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._threads = anyio.CapacityLimiter(_THREADS)
        self.closing = False

    def take(self, token_id: str) -> None:
        """Takes a place.

        Raises:
            Refusal: there is none left.
        """
        if self._open[token_id] >= STREAMS_OF_TOKEN or self._open.total() >= STREAMS:
            raise Refusal(
                429, "Too many streams are open: close one, or ask for the run itself.", headers=_LATER
            )
        self._open[token_id] += 1

    def leave(self, token_id: str) -> None:
        """Gives a place back."""
        self._open[token_id] -= 1
        self._open += Counter()  # forgets tokens without any

    async def ask(self, look: Callable[[], RunDocument | None]) -> RunDocument | None:
        """Asks beside the event loop."""
        return await anyio.to_thread.run_sync(look, limiter=self._threads)


_LATER: Final = {"Retry-After": "10"}


class Progress(StreamingResponse):
    """A stream that has a place as long as it is open.

    `look` gives the run document, or None when the caller is no longer welcome.
    """

    def __init__(self, streams: Streams, token_id: str, look: Callable[[], RunDocument | None]) -> None:
        streams.take(token_id)
        super().__init__(_events(streams, look), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._streams, self._token_id = streams, token_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams, and gives the place back."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._token_id)


async def _events(streams: Streams, look: Callable[[], RunDocument | None]) -> AsyncIterator[bytes]:
    shown: RunDocument | None = None
    spoke = time.monotonic()
    while not streams.closing:
        try:
            run = await streams.ask(look)
        except redis.RedisError:
            run = shown
        else:
            if run is None:
                return
        if run is not None and run != shown:
            yield b"event: run\ndata: " + msgspec.json.encode(run) + b"\n\n"
            shown, spoke = run, time.monotonic()
        elif time.monotonic() - spoke >= _HEARTBEAT.total_seconds():
            yield b": nothing new\n\n"
            spoke = time.monotonic()
        if shown is not None and shown.ended:
            return
        await asyncio.sleep(_POLL.total_seconds())
