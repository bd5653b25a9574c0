"""What a far side does with one connection, and clients that put up with it."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from worker.errors import Unavailable
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.transport import DeadlineTransport

# the event is set when the test is over
Behaviour = Callable[[socket.socket, threading.Event], None]
# starts a server that behaves so; gives its host and port
Serve = Callable[[Behaviour], str]

# short enough to wait for; long enough for a call that has to succeed on a busy machine
SHORT = timedelta(seconds=0.3)
ENOUGH = timedelta(seconds=1)
LONG_BEFORE = 10.0  # seconds, for a machine that is busy with other things; the far side takes more
AMPLE = timedelta(seconds=10)
OK = b'{"health_status":"Everything\'s Chimpy!"}'


def client_of(
    where: str, *, deadline: timedelta = AMPLE, context: ssl.SSLContext | None = None
) -> MailchimpClient:
    transport = DeadlineTransport(deadline=deadline, context=context)
    return MailchimpClient(base_url=f"{where}/3.0", api_key="key-us1", deadline=deadline, transport=transport)


def answer(body: bytes = OK, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", b""]
    return b"\r\n".join(lines) + body


def hear(connection: socket.socket) -> bytes:
    """Read one request to the end of its headers; its body may follow."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        heard += part
    return heard


@contextmanager
def fails(*, may_be_open: bool) -> Iterator[None]:
    """Given up by the deadline, long before the far side would have come to its end."""
    begun = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        yield
    assert time.monotonic() - begun < LONG_BEFORE
    assert caught.value.may_be_open == may_be_open


def silence(connection: socket.socket, over: threading.Event) -> None:
    hear(connection)
    over.wait(60)


def drip(text: bytes) -> Behaviour:
    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        hear(connection)
        for byte in text:
            connection.sendall(bytes([byte]))
            if over.wait(0.05):
                return

    return behaviour


def say(*texts: bytes, reset: bool = False) -> Behaviour:
    def behaviour(connection: socket.socket, _over: threading.Event) -> None:
        for text in texts:
            hear(connection)
            connection.sendall(text)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behaviour
