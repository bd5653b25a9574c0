"""How calls travel: one connection, a deadline for the whole of a call, answers of bounded size."""

import math
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import httpcore
import httpx

from worker.mailchimp import errors

# Mailchimp gives up on a call after 120 s (Mailchimp's documentation): ours has to wait longer
DEADLINE: Final = timedelta(seconds=125)
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
# a connection that idled longer may be closed at the far side just when it is used again
KEEPALIVE: Final = timedelta(seconds=5)
MAX_ANSWER: Final = 10_000_000

_GZIP: Final = 16 + zlib.MAX_WBITS


@lru_cache(maxsize=1)
def ssl_context() -> ssl.SSLContext:
    """Give the one context of this process: building one costs more than many calls."""
    return httpx.create_ssl_context(trust_env=False)


class DeadlineTransport(httpx.HTTPTransport):
    """An httpx transport for one thread, whose calls end by a deadline whatever the far side does.

    httpx's own time-outs are for each socket operation, so a server that drips bytes holds a call
    for ever. Here every operation gets the time left of its call at most. Only the look-up of a
    host name is not bounded here but by the system's resolver. Redirects, proxies and cookies are
    the business of httpx.Client, which is not used.
    """

    def __init__(
        self,
        *,
        deadline: timedelta = DEADLINE,
        connect_timeout: timedelta = CONNECT_TIMEOUT,
        context: ssl.SSLContext | None = None,
    ) -> None:
        context = context or ssl_context()
        super().__init__(verify=context, trust_env=False)
        self._seconds = deadline.total_seconds()
        self._timeouts = {"connect": connect_timeout.total_seconds(), "pool": 1.0}
        self._clock = _Clock()
        # httpx offers no way to give its pool a network of one's own
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=KEEPALIVE.total_seconds(),
            network_backend=_Network(self._clock),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the deadline goes on while the answer's body is read."""
        request.extensions = {**request.extensions, "timeout": self._timeouts}
        self._clock.start(self._seconds)
        return super().handle_request(request)


def read_whole(response: httpx.Response, limit: int = MAX_ANSWER) -> bytes:
    """Read an answer to its end, or close its connection: a half-read one would poison the next call.

    Raises:
        Unavailable: when it is larger than `limit` bytes, or its compression is broken.
    """
    try:
        content = b"".join(_bounded(response, limit))
    finally:
        response.close()
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return content
    if encoding != "gzip":
        raise errors.unreadable("is compressed in a way that was not asked for")
    return _inflate(content, limit)


def _bounded(response: httpx.Response, limit: int) -> Iterator[bytes]:
    size = 0
    for part in response.stream:  # type: ignore[union-attr]  # a sync transport gives sync streams only
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        yield part


def _inflate(content: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(content, limit + 1)
    except zlib.error:
        raise errors.unreadable("is not the gzip that it says it is") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise errors.unreadable("ends in the middle of its compression")
    return plain


def _too_large(limit: int) -> Exception:
    return errors.unreadable(f"is larger than {limit / 1_000_000:g} MB")


class _Clock:
    """The time left of the call that is being made."""

    def __init__(self) -> None:
        self._end = math.inf

    def start(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise late("the call's deadline is over")
        return left if timeout is None else min(timeout, left)


class _Network(httpcore.NetworkBackend):
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # a host of many addresses would be given the time-out for each: they are tried one by one here
        failure: Exception = httpcore.ConnectError("the host has no address")
        for address in _addresses(host, port):
            left = self._clock.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._clock)
        raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # the library's own loop grants the whole time-out again for each piece that was taken
        connection: socket.socket = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            connection.settimeout(self._clock.left(timeout, httpcore.WriteTimeout))
            rest = rest[_send(connection, rest) :]

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return [str(where[0]) for *_, where in found]


def _send(connection: socket.socket, data: memoryview) -> int:
    try:
        return connection.send(data)
    except TimeoutError as error:
        raise httpcore.WriteTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.WriteError(str(error)) from error
