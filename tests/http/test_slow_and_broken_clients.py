"""Clients that are slow, broken or hostile below HTTP, at a real server in this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from producer.http.bodies import BoundedRequest
from producer.http.protocol import PatientProtocol
from producer.http.serving import server_of
from tests.http.conftest import Caller
from tests.system import wait_until

SOON = timedelta(milliseconds=300)


@pytest.fixture
def port(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server that has little patience."""
    monkeypatch.setattr(PatientProtocol, "patience", SOON)
    monkeypatch.setattr(BoundedRequest, "patience", SOON)
    server = server_of(app)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    wait_until(lambda: server.started, "the server has started")
    yield int(listening.getsockname()[1])
    server.should_exit = True
    thread.join()


def sent(port: int, content: bytes) -> bytes:
    """All that the server answers until it closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as client:
        client.sendall(content)
        received = b""
        while part := client.recv(65536):
            received += part
        return received


@pytest.mark.parametrize("head", [b"", b"GET", b"GET / HTTP/1.1\r\nX-Slow: a"])
def test_a_head_that_does_not_come_is_not_waited_for(port: int, head: bytes) -> None:
    assert sent(port, head) == b""


def test_a_connection_that_asks_nothing_more_is_closed(port: int) -> None:
    answer = sent(port, b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /healthz")
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_is_answered_with_a_problem(port: int, administrator: Caller) -> None:
    head = f"POST /v1/exports HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {administrator.token}\r\n"
    answer = sent(port, f"{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n[".encode())
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/exports HTTP/1.1\r\nHost: here\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["nonsense", "endless head", "no host", "negative length", "TLS"],
)
def test_what_is_no_request_is_answered_with_a_problem(port: int, content: bytes) -> None:
    answer = sent(port, content)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
    assert b"server:" not in answer.lower()


def test_an_upgrade_to_another_protocol_is_not_made(port: int) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{port}/healthz",
        headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    )
    assert answer.status_code == 200
    assert "server" not in answer.headers
