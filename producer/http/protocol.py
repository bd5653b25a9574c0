"""uvicorn's way of speaking HTTP, with a deadline for the head of a request."""

import asyncio
from datetime import timedelta
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from producer.http.problems import MEDIA_TYPE, problem

_NOT_HTTP: Final = problem(400, "This is not a request that HTTP knows, or its head is too long: correct it.")


class PatientProtocol(H11Protocol):
    """Closes connections that send their head drop by drop, or nothing at all.

    `patience`: so long a connection has to say what it wants, from its beginning or its last answer on.
    """

    patience: ClassVar[timedelta] = timedelta(seconds=10)
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words for it
        """Answers what is no request with a problem document, as everything else."""
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
        events = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(_NOT_HTTP.body)),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        self._wait_no_longer()
        self._deadline = self.loop.call_later(self.patience.total_seconds(), self._give_up)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        # a request that has begun has deadlines of its own
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
