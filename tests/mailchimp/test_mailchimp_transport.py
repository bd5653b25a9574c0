"""Calls over real sockets end by their deadline, whatever the far side does."""

import socket
import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.mailchimp.far_side import (
    AMPLE,
    ENOUGH,
    SHORT,
    Behaviour,
    Serve,
    answer,
    client_of,
    drip,
    fails,
    hear,
    say,
    silence,
)
from worker.errors import SegmentExportError, Unavailable
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.transport import DeadlineTransport

# --- the deadline ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silence, id="no answer"),
        pytest.param(drip(answer()), id="dripping headers"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), id="dripping continues"),
    ],
)
def test_a_call_ends_by_its_deadline_and_may_still_be_open(serve: Serve, behaviour: Behaviour) -> None:
    with client_of(f"http://{serve(behaviour)}", deadline=SHORT) as client, fails(may_be_open=True):
        client.ping()


def test_a_dripping_body_ends_by_the_deadline(serve: Serve) -> None:
    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(answer(b" " * 1000)[:-1000])
        drip(b" " * 1000)(connection, over)

    with client_of(f"http://{serve(behaviour)}", deadline=SHORT) as client, fails(may_be_open=True):
        client.ping()


def test_a_far_side_that_takes_a_body_slowly_ends_by_the_deadline(serve: Serve) -> None:
    # fast enough that no single write ever waits for long
    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.05) and connection.recv(65536):
            pass

    with client_of(f"http://{serve(behaviour)}", deadline=SHORT) as client, fails(may_be_open=True):
        client.upsert("a1b2c3d4e5", b" " * 60_000_000)


def test_a_call_within_its_deadline_succeeds_after_one_that_was_not(serve: Serve) -> None:
    slow = threading.Event()

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        hear(connection)
        if not slow.is_set():
            slow.set()
            over.wait(10)
        connection.sendall(answer())

    with client_of(f"http://{serve(behaviour)}", deadline=ENOUGH) as client:
        with fails(may_be_open=True):
            client.ping()
        client.ping()
        assert client.calls == 2


# --- connecting -----------------------------------------------------------------------------------


def test_a_refused_connection_was_never_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with client_of(f"http://127.0.0.1:{port}") as client, fails(may_be_open=False):
        client.ping()


def test_a_host_that_is_not_found_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_args: object, **_named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with client_of("http://us1.api.mailchimp.com") as client:
        with pytest.raises(Unavailable, match=r"^The host of Mailchimp's address is not found") as caught:
            client.ping()
        assert not caught.value.may_be_open


def test_every_address_of_a_host_is_tried(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    port = serve(say(answer())).split(":")[1]
    unused = ("127.0.0.2", int(port))
    right = ("127.0.0.1", int(port))

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in (unused, right)]
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **named: Any) -> Any:
        return found if host == "mailchimp.test" else real(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with client_of(f"http://mailchimp.test:{port}") as client:
        client.ping()


@pytest.mark.parametrize(("deadline", "connect_timeout"), [(SHORT, AMPLE), (AMPLE, SHORT)])
def test_a_far_side_that_never_shakes_hands_was_never_open(
    serve: Serve, deadline: timedelta, connect_timeout: timedelta
) -> None:
    def behaviour(_connection: socket.socket, over: threading.Event) -> None:
        over.wait(10)

    transport = DeadlineTransport(deadline=deadline, connect_timeout=connect_timeout)
    base = f"https://{serve(behaviour)}/3.0"
    client = MailchimpClient(base_url=base, api_key="key-us1", deadline=deadline, transport=transport)
    with client, fails(may_be_open=False):
        client.ping()


# --- broken answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reset"),
    [
        (b"", True),
        (b"", False),
        (answer()[:10], True),
        (answer()[:10], False),
        (answer()[:-5], True),
        (answer()[:-5], False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", False),
    ],
)
def test_an_answer_that_breaks_off_may_still_be_open(serve: Serve, said: bytes, reset: bool) -> None:  # noqa: FBT001  # a column of the table
    with client_of(f"http://{serve(say(said, reset=reset))}") as client, fails(may_be_open=True):
        client.ping()


def test_an_answer_that_is_too_large_is_not_read_and_the_next_call_is_not_poisoned(serve: Serve) -> None:
    asked = threading.Event()

    def behaviour(connection: socket.socket, _over: threading.Event) -> None:
        hear(connection)
        if asked.is_set():
            connection.sendall(answer())
        asked.set()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 11000000\r\n\r\n")
        for _ in range(11):
            connection.sendall(b" " * 1_000_000)

    with client_of(f"http://{serve(behaviour)}") as client:
        with pytest.raises(Unavailable, match=r"^Mailchimp's answer is larger than 10 MB") as caught:
            client.ping()
        assert not caught.value.may_be_open
        client.ping()


# --- connections ----------------------------------------------------------------------------------


def _counted(behaviour: Behaviour, opened: list[int]) -> Behaviour:
    def counting(connection: socket.socket, over: threading.Event) -> None:
        opened.append(connection.fileno())
        behaviour(connection, over)

    return counting


def test_calls_share_one_connection(serve: Serve) -> None:
    opened: list[int] = []
    with client_of(f"http://{serve(_counted(say(*[answer()] * 5), opened))}") as client:
        for _ in range(5):
            client.ping()
    assert len(opened) == 1


def test_a_connection_that_the_far_side_closed_meanwhile_is_opened_again(serve: Serve) -> None:
    closed = threading.Semaphore(0)
    opened: list[int] = []

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        say(answer())(connection, over)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        closed.release()

    with client_of(f"http://{serve(_counted(behaviour, opened))}") as client:
        for _ in range(2):
            client.ping()
            assert closed.acquire(timeout=5)
    assert len(opened) == 2


def test_a_redirect_is_not_followed_and_leaks_no_credentials(serve: Serve) -> None:
    followed = threading.Event()

    def other(_connection: socket.socket, _over: threading.Event) -> None:
        followed.set()

    elsewhere = f"http://{serve(other)}/"
    moved = b"HTTP/1.1 307 Moved\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % elsewhere.encode()
    where = serve(say(moved))
    with client_of(f"http://{where}") as client, pytest.raises(SegmentExportError, match="redirect"):
        client.ping()
    assert not followed.is_set()


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with client_of(f"http://{serve(say(answer()))}") as client:
        client.ping()
