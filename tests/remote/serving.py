"""The HTTP API in this process, and a command line that goes to it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Self

import structlog

from producer.application import Producer
from producer.http.app import create_app
from producer.http.serving import server_of
from producer.remote.door import Door
from producer.remote.elsewhere import Elsewhere
from tests.system import wait_until


class Served:
    """The API at a free port of this machine; whose installation it serves can be changed."""

    def __init__(self) -> None:
        self._app = create_app(Producer())
        self._server = server_of(self._app)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started, "the API is served")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._app.state.streams.closing = True
        self._thread.join(timeout=30)

    @contextmanager
    def elsewhere(self, producer: Producer, role: str = "administrator") -> Iterator[Elsewhere]:
        """What a command gets whose door is this API, with a token of a role."""
        self._app.state.producer = producer
        token, _ = producer.tokens.create(role, role, by="tests", now=datetime.now(UTC))
        far = Elsewhere(Door(self.url, token))
        with structlog.testing.capture_logs():
            yield far
        far.close()
