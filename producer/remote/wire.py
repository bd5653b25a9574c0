"""How requests travel: no redirects, bounded answers, an end to patience, a sentence for each fault."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

import httpx
import msgspec

from producer.remote import faults
from producer.remote.door import Door
from producer.remote.requests import JSON, Asked

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an answer, or of one of its rows."""

_CONNECT_S: Final = 10.0
_ROWS: Final = "application/x-ndjson"
_FOUND: Final = 200
_REDIRECTS: Final = 300


class Wire:
    """A connection to an API, kept open from one call to the next.

    Proxies and certificate authorities are taken from the environment, as people expect of what they start by
    hand, but for plain http://: a proxy would read the token, and a loopback host needs none.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._client = httpx.Client(
            base_url=door.url,
            headers={
                "Authorization": f"Bearer {door.token}",
                "Accept-Encoding": "identity",
                "User-Agent": f"segment-export/{version('segment-export')}",
            },
            trust_env=door.encrypted,
            follow_redirects=False,
            # one without authorities is made at once, and trusts nobody
            verify=httpx.create_ssl_context() if door.encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    def ask(self, asked: Asked, patience: timedelta) -> Any:
        """The JSON value that is answered.

        Raises:
            SegmentExportError: the request was refused, or nothing usable was answered.
        """
        with self._faults_told(asked, patience), self._sent(asked, patience, JSON) as response:
            content = self._whole(response, asked, patience)
        try:
            return msgspec.json.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise faults.strange(self._door) from None

    def rows(self, asked: Asked, patience: timedelta) -> Iterator[bytes]:
        """The lines that are answered, one after the other; refusals come before the first.

        The patience is for the answer to begin, and for each of its pieces.

        Raises:
            SegmentExportError: the request was refused, or the answer broke off.
        """
        with self._faults_told(asked, patience), self._sent(asked, patience, _ROWS) as response:
            yield b""
            rest = b""
            for part in response.iter_raw():
                *lines, rest = (rest + part).split(b"\n")
                yield from lines
                if len(rest) > LARGEST:
                    raise faults.strange(self._door)
        if rest:
            raise faults.broken(self._door, asked.method, "broke off its answer")

    @contextmanager
    def _sent(self, asked: Asked, patience: timedelta, media_type: str) -> Iterator[httpx.Response]:
        """An answer of this type, of which nothing has been read."""
        headers = {"Accept": media_type}
        if asked.content is not None:
            headers["Content-Type"] = asked.media_type
        with self._client.stream(
            asked.method,
            asked.path,
            params=dict(asked.query),
            content=asked.content,
            headers=headers,
            timeout=httpx.Timeout(patience.total_seconds(), connect=_CONNECT_S),
        ) as response:
            given = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            plain = response.headers.get("content-encoding", "identity").lower() == "identity"
            if not _FOUND <= response.status_code < _REDIRECTS:
                content = self._whole(response, asked, patience) if plain else b""
                raise faults.refusal(self._door, asked.method, response.status_code, given, content)
            if given != media_type or not plain:
                raise faults.strange(self._door)
            yield response

    def _whole(self, response: httpx.Response, asked: Asked, patience: timedelta) -> bytes:
        content, until = bytearray(), time.monotonic() + patience.total_seconds()
        for part in response.iter_raw():
            content += part
            if len(content) > LARGEST:
                raise faults.strange(self._door)
            if time.monotonic() > until:
                raise faults.broken(self._door, asked.method, "does not come to an end")
        return bytes(content)

    @contextmanager
    def _faults_told(self, asked: Asked, patience: timedelta) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectTimeout:
            raise faults.unreachable(self._door, "no answer") from None
        except httpx.ConnectError as error:
            raise faults.unreachable(self._door, _reason(error)) from None
        except httpx.TimeoutException:
            how = f"did not answer within {patience.total_seconds():.0f} s"
            raise faults.broken(self._door, asked.method, how) from None
        except httpx.ProxyError:
            raise faults.unreachable(self._door, "the proxy refuses") from None
        except httpx.TransportError:
            raise faults.broken(self._door, asked.method, "broke off its answer") from None


def _reason(error: httpx.ConnectError) -> str:
    """Why there is no connection: of what the system says, what is ours to repeat."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate can't be verified, {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
