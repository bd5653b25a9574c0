"""What surrounds every request: headers, a line in the log, a place in the crowd, an answer to any fault."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.http.problems import problem

FAULT: Final = (
    "This server met a fault of its own: try again later, and tell its operator, whose log has the reason."
)
CROWDED: Final = "Too many requests are open at once: try again in a moment."

_LONGEST: Final = timedelta(hours=1)
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = structlog.get_logger()


class Frame:
    """Lets so many requests in at once, each for an hour at most, and answers for what goes wrong inside."""

    def __init__(self, app: ASGIApp, *, most: int = 200) -> None:
        self._app = app
        self._most = most
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        began = time.perf_counter()
        self._inside += 1
        try:
            await self._serve(scope, receive, answer)
        finally:
            self._inside -= 1
            _tell(scope, answer, time.perf_counter() - began)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if self._inside > self._most:
            await problem(503, CROWDED, headers={"Retry-After": "1"})(scope, receive, answer)
            return
        try:
            async with asyncio.timeout(_LONGEST.total_seconds()):
                await self._app(scope, receive, answer)
        except Exception:
            log.exception("http.fault", route=_route(scope))
            if not answer.status:
                await problem(500, FAULT)(scope, receive, answer)


class _Answer:
    """Sends on what the application answers, with the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await self._send(message)


def _route(scope: Scope) -> str:
    """The path as it was declared: what stands in its places may be anything."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _tell(scope: Scope, answer: _Answer, took: float) -> None:
    log.info(
        "http.request",
        method=scope["method"] if scope["method"] in _METHODS else "other",
        route=_route(scope),
        status=answer.status,
        ms=round(took * 1000),
    )


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
