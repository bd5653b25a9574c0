"""Whatever answers at the other end: one sentence, no end of memory, no end of time, nothing obeyed."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from producer.operations.runs import rejected_rows
from producer.remote.calls import CALLS
from producer.remote.desk import RemoteDesk
from producer.remote.door import Door
from tests.mailchimp.test_mailchimp_tls import certificate
from tests.remote.conftest import command
from worker.errors import SegmentExportError

__all__ = ["certificate"]

TOKEN = "se_recognisable"  # noqa: S105 - no secret
JSON = "Content-Type: application/json"
PROBLEM = "Content-Type: application/problem+json"
RUN = ("status", "20261123-074200-5f3a9c1b")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, parts: Iterable[bytes], context: ssl.SSLContext | None) -> None:
        self.parts = parts
        self.heads: list[bytes] = []
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection; one that TLS does not come about on is dropped."""
        connection, address = self.socket.accept()
        if self._context is None:
            return connection, address
        try:
            return self._context.wrap_socket(connection, server_side=True), address
        except OSError:
            connection.close()
            raise


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        self.server.heads.append(head)
        with suppress(OSError):
            for part in self.server.parts:
                self.wfile.write(part)


@contextmanager
def answering(
    parts: Iterable[bytes], context: ssl.SSLContext | None = None
) -> Iterator[tuple[Door, list[bytes]]]:
    """A server that answers whatever is asked with these bytes, and hangs up; over TLS with a context."""
    with _Server(parts, context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield (
            Door(f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}", TOKEN),
            server.heads,
        )
        server.shutdown()
        thread.join()


def answer(status: str, *headers: str, body: str | bytes = b"") -> bytes:
    """An answer until the connection's end."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""])
    return head.encode() + (body.encode() if isinstance(body, str) else body)


def told(parts: Iterable[bytes], *arguments: str) -> str:
    """The one sentence that a command ends with."""
    with answering(parts) as (door, heads):
        result = command(door, *(arguments or RUN))
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert TOKEN not in result.stderr
    assert len(heads) == 1
    return result.stderr.replace(door.url, "URL").rstrip("\n")


STRANGE = (
    "as the API of this version of segment-export does not: "
    "correct SEGMENT_EXPORT_API_URL, or install the same version here and there."
)


@pytest.mark.parametrize(
    "what",
    [
        answer("200 OK", "Content-Type: text/html", body="<html>Log in</html>"),
        answer("200 OK", body="{}"),
        answer("200 OK", JSON, body="{}"),
        answer("200 OK", JSON, body="[]"),
        answer("200 OK", JSON, body="null"),
        answer("200 OK", JSON, body="{"),
        answer("200 OK", JSON, body=b"\xff\xfe"),
        answer("200 OK", JSON, body="[" * 100_000),
        answer("200 OK", JSON, body='{"run_id": 1, "export": "weekly"}'),
        answer("200 OK", JSON, "Content-Encoding: gzip", body=b"\x1f\x8b"),
        answer("204 No Content"),
    ],
)
def test_what_is_not_the_api_is_one_sentence(what: bytes) -> None:
    assert told([what]) == f"URL answers {STRANGE}"


@pytest.mark.parametrize(
    "what",
    [
        answer("404 Not Found", "Content-Type: text/html", body="<html>nginx</html>"),
        answer("404 Not Found", PROBLEM, body="{}"),
        answer("404 Not Found", PROBLEM, body="nonsense"),
    ],
)
def test_a_refusal_without_a_problem_is_not_the_api_either(what: bytes) -> None:
    assert told([what]) == f"URL answers (404) {STRANGE}"


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_a_redirect_is_not_followed(status: str) -> None:
    with answering([b""]) as (elsewhere, heads):
        said = told([answer(status, f"Location: {elsewhere.url}/v1/runs")])
    assert said.startswith("URL sends on to somewhere else, and nothing follows it with a token")
    assert heads == []


def test_a_proxy_without_an_api_behind_it_is_told_from_a_wrong_url() -> None:
    said = told([answer("502 Bad Gateway", "Content-Type: text/html", body="<html>")])
    assert said == "Nothing is behind URL (502): start the API, or try again in a moment."
    late = answer("504 Gateway Timeout", "Content-Type: text/html", body="<html>")
    said = told([late], "run", "weekly")
    assert said.endswith("in time: look whether it was done before you try again.")


@pytest.mark.parametrize(
    "head", [answer("200 OK", JSON), answer("404 Not Found", PROBLEM), answer("200 OK", JSON, body="[")]
)
def test_an_answer_without_end_is_not_read_to_it(head: bytes) -> None:
    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            yield head
            yield from repeat(b" " * 65536)

    assert told(Endless()) == f"URL answers {STRANGE}"


def test_rows_without_an_end_of_line_are_not_read_to_it() -> None:
    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            yield answer("200 OK", "Content-Type: application/x-ndjson")
            yield from repeat(b" " * 65536)

    with answering(Endless()) as (door, _):
        assert "does not" in list_rows(door)


def list_rows(door: Door) -> str:
    """What asking for rejected rows, and nothing else, ends with."""
    desk = RemoteDesk(door)
    try:
        for _ in rejected_rows(desk, RUN[1]):
            pass
    except SegmentExportError as error:
        return str(error)
    finally:
        desk.close()
    return ""


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ('{"segment": "loyal"}\n', "does not"),
        ("[]\n", "does not"),
        ("nonsense\n", "does not"),
        ('{"segment": "loyal", "ro', "broke off its answer: try again."),
    ],
)
def test_rows_that_are_none_are_one_sentence(rows: str, sentence: str) -> None:
    with answering([answer("200 OK", "Content-Type: application/x-ndjson", body=rows)]) as (door, _):
        assert sentence in list_rows(door)


def test_a_list_without_end_ends() -> None:
    page = json.dumps({"items": [], "next": "more"})
    body = f"HTTP/1.1 200 OK\r\n{JSON}\r\nConnection: close\r\n\r\n{page}"
    with answering([body.encode()]) as (door, heads):
        result = command(door, "get", "segments")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert len(heads) <= 1000


def patient(monkeypatch: pytest.MonkeyPatch, name: str, seconds: float) -> None:
    """Gives a call less time."""
    call = replace(CALLS[name], patience=timedelta(seconds=seconds))
    monkeypatch.setattr("producer.remote.desk.CALLS", {**CALLS, name: call})


class Drip:
    """Bytes that come one by one, and never to an end."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.enough = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        while not self.enough.wait(0.05):
            yield b" "


@pytest.mark.parametrize(
    ("name", "arguments", "remedy"),
    [
        ("show_run", RUN, "try again."),
        ("run_export", ("run", "weekly"), "look whether it was done before you try again."),
    ],
)
def test_an_answer_that_drips_is_not_waited_for(
    name: str, arguments: tuple[str, ...], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch, name, 0.3)
    drip = Drip(answer("200 OK", JSON))
    try:
        said = told(drip, *arguments)
    finally:
        drip.enough.set()
    assert said == f"The API at URL does not come to an end: {remedy}"


def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    patient(monkeypatch, "run_export", 1.0)
    silence = Drip(b"")

    def silent() -> Iterator[bytes]:
        silence.enough.wait(30)
        yield b""

    try:
        said = told(silent(), "run", "weekly")
    finally:
        silence.enough.set()
    assert said == "The API at URL did not answer within 1 s: look whether it was done before you try again."


@pytest.mark.parametrize(
    "what",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + JSON.encode() + b"\r\n\r\n{",
    ],
)
def test_an_answer_that_breaks_off_is_one_sentence(what: bytes) -> None:
    assert told([what]) == "The API at URL broke off its answer: try again."


def test_nobody_there_is_one_sentence() -> None:
    with answering([b""]) as (door, _):
        pass
    result = command(door, *RUN)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"The API can't be reached at {door.url} (no connection): "
        "start it (segment-export serve), or correct SEGMENT_EXPORT_API_URL.\n"
    )


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_certificate_that_can_be_verified_is_trusted(
    certificate: Path, *, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering([problem(404, "What: do.")], context) as (door, heads):
        result = command(door, *RUN)
    if trusted:
        assert result.stderr == "What: do.\n"
    else:
        assert result.stderr.startswith(f"The API can't be reached at {door.url} (its certificate can't be")
        assert (heads, result.stderr.count("\n")) == ([], 1)


def problem(status: int, detail: Any, *errors: dict[str, Any]) -> bytes:
    body = {"type": "about:blank", "title": "", "status": status, "detail": detail, "errors": errors}
    return answer(f"{status} No", PROBLEM, body=json.dumps(body))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "URL does not take the token (any more): set SEGMENT_EXPORT_API_TOKEN to one that is valid."),
        *((status, "What: do.") for status in (400, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503)),
    ],
)
def test_a_problem_is_its_sentence(status: int, said: str) -> None:
    assert told([problem(status, "What: do.")]) == said


def test_a_problem_can_not_steer_a_terminal() -> None:
    said = told([problem(404, "a\x1b[2J\r\nb\u202ec" + "x" * 5000)])
    assert said.isprintable()
    assert said.startswith("a [2J b c")
    assert len(said) < 1100


def test_flaws_are_told_one_a_line() -> None:
    flaws = [{"where": "body", "detail": "One."}, {"where": "query.limit\x07", "detail": "Two."}]
    with answering([problem(422, "See errors.", *flaws)]) as (door, _):
        result = command(door, *RUN)
    assert result.stderr.splitlines() == ["One.", "query.limit: Two."]
