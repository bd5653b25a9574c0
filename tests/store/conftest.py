import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from obstore.store import MemoryStore

from worker.keyring import Keyring
from worker.store.bucket import Bucket
from worker.store.objects import Objects, open_store

PAGE: Final = 2
MODIFIED: Final = "2026-11-24T12:00:00.000Z"


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([bytes(range(32))])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def folder(root: Path) -> Objects:
    return open_store(root.as_uri())


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, root: Path) -> Objects:
    if request.param == "folder":
        return open_store(root.as_uri())
    return Bucket(MemoryStore(), "memory")


class SmallS3(BaseHTTPRequestHandler):
    """Objects by path, listings in pages of two, and `answers` that are given before any other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    held: dict[str, bytes]
    answers: list[tuple[int, bytes]]

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.answers:
            return self.reply(*self.answers.pop(0))
        url = urlsplit(self.path)
        key = unquote(url.path).removeprefix("/bucket").removeprefix("/")
        if self.command == "PUT":
            self.held[key] = body
            return self.reply(200)
        if self.command == "POST":
            return self.delete(re.findall(r"<Key>(.*?)</Key>", body.decode()))
        if not key:
            return self.list_page(parse_qs(url.query))
        return self.read(key)

    def read(self, key: str) -> None:
        if key not in self.held:
            return self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        whole = self.held[key]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range") or "")
        if not asked:
            return self.reply(200, whole)
        start, end = int(asked[1]), min(int(asked[2]), len(whole) - 1)
        if start >= len(whole):
            return self.reply(416)
        return self.reply(206, whole[start : end + 1], f"bytes {start}-{end}/{len(whole)}")

    def list_page(self, query: dict[str, list[str]]) -> None:
        after = query.get("continuation-token", [""])[0]
        keys = sorted(key for key in self.held if key.startswith(query["prefix"][0]) and key > after)
        page = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{MODIFIED}</LastModified>"
            f"<Size>{len(self.held[key])}</Size><ETag>x</ETag></Contents>"
            for key in keys[:PAGE]
        )
        more = f"<NextContinuationToken>{keys[PAGE - 1]}</NextContinuationToken>" if keys[PAGE:] else ""
        self.reply(200, f"<ListBucketResult>{page}{more}</ListBucketResult>".encode())

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            self.held.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.reply(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def reply(self, status: int, body: bytes = b"", content_range: str = "") -> None:
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in (
            ("content-length", str(len(body))),
            ("etag", '"x"'),
            ("last-modified", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ):
            self.send_header(name, value)
        if content_range:
            self.send_header("content-range", content_range)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = serve  # noqa: N815 (the server's names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the server's name)
        pass


@pytest.fixture
def small_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[SmallS3]]:
    handler = type("Handler", (SmallS3,), {"held": {}, "answers": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name, value in {
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "AKIASECRET",
        "AWS_SECRET_ACCESS_KEY": "SECRET",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def held(small_s3: type[SmallS3]) -> dict[str, bytes]:
    """What the small S3 holds, by path."""
    return small_s3.held


@pytest.fixture
def answers(small_s3: type[SmallS3]) -> list[tuple[int, bytes]]:
    """What the small S3 shall answer next, before anything else; status 0 breaks the connection."""
    return small_s3.answers
