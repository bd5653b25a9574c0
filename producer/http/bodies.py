"""What a request may bring along: so many bytes, in so much time, of a known type, not too deep."""

import asyncio
import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, ClassVar, Final

import msgspec
from fastapi import Request
from starlette.requests import ClientDisconnect

from producer.http.problems import Flaw, Refusal

LARGEST: Final = 1024 * 1024
DEEPEST: Final = 20
JSON: Final = "application/json"

_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NOT_BRACKETS: Final = re.compile(rb"[^\[\]{}]+")
_OPENING: Final = frozenset(b"[{")


class BoundedRequest(Request):
    """A request whose body is read within limits, whole or not at all.

    `accepted`: the media types it may have, none for any; `largest`: the bytes; `patience`: the time it has.
    """

    patience: ClassVar[timedelta] = timedelta(seconds=15)
    accepted: Collection[str] = (JSON,)
    largest: int = LARGEST

    async def body(self) -> bytes:
        """The body as it came.

        Raises:
            Refusal: it passes a limit, or is of another type.
        """
        if not hasattr(self, "_body"):
            self._check_headers()
            self._body = await self._read()
            if self._body:
                self._check_type()
        return self._body

    async def json(self) -> Any:
        """The value of the body; unlike Python's own reader, this one takes nothing but JSON.

        Raises:
            Refusal: it is no JSON, or too deep.
        """
        return read_json(await self.body())

    def _check_headers(self) -> None:
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "The body is encoded: send it as it is, without a Content-Encoding.")
        length = self.headers.get("content-length", "0")
        if length.isascii() and length.isdecimal() and int(length[:20]) > self.largest:
            raise _too_large(self.largest)

    def _check_type(self) -> None:
        given = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.accepted and given not in self.accepted:
            raise Refusal(415, f"The body's type is not known here: send {' or '.join(self.accepted)}.")

    async def _read(self) -> bytes:
        content = bytearray()
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                async for part in self.stream():
                    content += part
                    if len(content) > self.largest:
                        raise _too_large(self.largest)
        except TimeoutError:
            raise Refusal(408, "The body did not come in time: send it again.", headers=_CLOSE) from None
        except ClientDisconnect:
            raise Refusal(400, "The body broke off: send it again.") from None
        return bytes(content)


_CLOSE: Final = {"Connection": "close"}


def read_json(content: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        Refusal: it is no JSON, or too deep.
    """
    if depth(content) > DEEPEST:
        raise Refusal(422, f"The body is deeper than {DEEPEST} levels: send a plainer one.")
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        flaw = Flaw(where="body", detail="This is no JSON text: correct it.")
        raise Refusal(400, "The body can't be read as JSON: correct it.", errors=[flaw]) from None


def depth(content: bytes) -> int:
    """How deep lists and objects of a JSON text lie in one another; found without recursion."""
    deepest = level = 0
    for bracket in _NOT_BRACKETS.sub(b"", _TEXTS.sub(b"", content)):
        level += 1 if bracket in _OPENING else -1
        deepest = max(deepest, level)
    return deepest


def _too_large(largest: int) -> Refusal:
    return Refusal(413, f"The body is larger than {largest // 1024} KiB: send less at once.", headers=_CLOSE)
