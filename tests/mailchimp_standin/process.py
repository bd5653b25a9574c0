"""The stand-in as a process of its own, so that a benchmark doesn't share an interpreter with it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from .controls import Controls
from .world import Answers

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class StandinProcess(Controls):
    """A stand-in started by `python -m tests.mailchimp_standin`, held by HTTP.

    It ends with its parent, however that ends: it watches its standard input.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float | tuple[float, float] = 0.0,
        answers: Answers = "full",
        seed: int = 0,
    ) -> None:
        spans = latency if isinstance(latency, tuple) else (latency,)
        self.url = ""
        self._command = [
            *(sys.executable, "-m", "tests.mailchimp_standin", "--until-stdin-closes"),
            *("--port", str(port), "--answers", answers, "--seed", str(seed)),
            *("--latency", *map(str, spans)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """0 while it isn't running."""
        return self._process.pid if self._process else 0

    def start(self) -> Self:
        process = subprocess.Popen(self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = process
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            self.stop()
            raise RuntimeError("The stand-in did not start; its own words are on standard error.")
        self.url = json.loads(line)["url"]
        return self

    def stop(self) -> None:
        """End the process; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def do(self, operation: str, returns: type[T], /, **arguments: Any) -> T:
        given = {name: value for name, value in arguments.items() if value is not None}
        connection, answer = self._request("POST", f"/_standin/do/{operation}", msgspec.json.encode(given))
        try:
            return msgspec.json.decode(answer.read(), type=returns)
        finally:
            connection.close()

    def dump(self, list_id: str) -> Iterator[bytes]:
        connection, answer = self._request("GET", f"/_standin/lists/{list_id}/dump")
        try:
            yield from answer
        finally:
            connection.close()

    def _request(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        connection.request(method, path, body)
        answer = connection.getresponse()
        if answer.status == http.client.OK:
            return connection, answer
        text = answer.read().decode()
        connection.close()
        raise KeyError(text) if answer.status == http.client.NOT_FOUND else ValueError(text)
