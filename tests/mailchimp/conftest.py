"""Far sides of real sockets: one that behaves as badly as a test wants, and one that behaves."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.mailchimp.far_side import Behaviour, Serve
from tests.mailchimp_standin import API_KEY, AudienceHandle, Standin
from worker.mailchimp.client import MailchimpClient


def _accept(listener: socket.socket, behaviour: Behaviour, over: threading.Event) -> None:
    handlers = []
    while not over.is_set():
        with suppress(TimeoutError):
            connection, _ = listener.accept()
            handler = threading.Thread(target=_handle, args=(connection, behaviour, over))
            handler.start()
            handlers.append(handler)
    for handler in handlers:
        handler.join()


def _handle(connection: socket.socket, behaviour: Behaviour, over: threading.Event) -> None:
    with connection, suppress(OSError):
        connection.settimeout(10)
        behaviour(connection, over)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server of the given behaviour; what comes back is its host and port."""
    with ExitStack() as servers:

        def start(behaviour: Behaviour) -> str:
            over = threading.Event()
            listener = servers.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(0.02)  # closing it would not wake a thread that waits in accept
            thread = threading.Thread(target=_accept, args=(listener, behaviour, over))
            thread.start()
            servers.callback(thread.join, 15)
            servers.callback(over.set)
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield start


@pytest.fixture
def standin() -> Iterator[Standin]:
    """A far side that behaves as Mailchimp does."""
    with Standin() as started:
        yield started


@pytest.fixture
def audience(standin: Standin) -> AudienceHandle:
    return standin.audience()


@pytest.fixture
def client(standin: Standin) -> Iterator[MailchimpClient]:
    with MailchimpClient(base_url=f"{standin.url}/3.0", api_key=API_KEY) as calling:
        yield calling
