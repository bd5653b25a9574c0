"""What notifications are sent to: an HTTP server and a mail server, both real and both small."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any


@dataclass
class Received:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server that keeps what it gets; `answers` are given first, then 204."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    holds: Event | None = None


@contextmanager
def receiver() -> Iterator[Receiver]:
    """An HTTP server on this machine."""
    state, lock = Receiver(), Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                state.received.append(Received(self.path, headers, body))
                status = state.answers.pop(0) if state.answers else 204
            if state.holds is not None:
                state.holds.wait(30)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{state.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        if state.holds is not None:
            state.holds.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """A mail server that keeps what it gets, and which commands came before."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    refuses: str = ""
    drips: bool = False


@contextmanager
def mailbox(certificate: Path | None = None) -> Iterator[Mailbox]:
    """A mail server on this machine; with a certificate it offers STARTTLS."""
    state = Mailbox()
    listener = socket.create_server(("127.0.0.1", 0))
    state.port = listener.getsockname()[1]
    thread = Thread(target=_accept, args=(listener, state, certificate))
    thread.start()
    try:
        yield state
    finally:
        state.drips = False
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _accept(listener: socket.socket, state: Mailbox, certificate: Path | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            with connection, closing(_Talk(connection, state, certificate)) as session:
                session.talk()
        except OSError:
            continue


class _Talk:
    """One session, in as much of RFC 5321 as smtplib needs."""

    def __init__(self, connection: socket.socket, state: Mailbox, certificate: Path | None) -> None:
        self._connection = connection
        self._state = state
        self._certificate = certificate
        self._file = connection.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def talk(self) -> None:
        while self._state.drips:
            self._connection.sendall(b"220-wait\r\n")
            Event().wait(0.1)
        self._say("220 here")
        while (line := self._file.readline().decode().strip()) and line.upper() != "QUIT":
            self._state.commands.append(line)
            self._answer(line.split(" ", 1)[0].upper())
        self._say("221 bye")

    def _answer(self, command: str) -> None:
        if command == self._state.refuses:
            self._say("550 somebody@example.com is not here")
        elif command == "EHLO" and self._certificate:
            self._say("250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS")
        elif command == "STARTTLS":
            self._say("220 go on")
            self._encrypt()
        elif command == "AUTH":
            self._say("235 come in")
        elif command == "DATA":
            self._say("354 tell me")
            self._state.messages.append(self._text())
            self._say("250 kept")
        else:
            self._say("250 fine")

    def _say(self, line: str) -> None:
        self._connection.sendall(f"{line}\r\n".encode())

    def _text(self) -> str:
        lines = []
        while (line := self._file.readline().decode()).rstrip() != ".":
            lines.append(line)
        return "".join(lines)

    def _encrypt(self) -> None:
        assert self._certificate is not None
        self._file.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._connection = context.wrap_socket(self._connection, server_side=True)
        self._file = self._connection.makefile("rb")
