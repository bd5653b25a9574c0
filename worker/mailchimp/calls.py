"""How a call is made: one at a time, over one connection, with the account's key."""

import base64
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from importlib import metadata
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

import httpx

from worker.mailchimp import errors
from worker.mailchimp.errors import Call, Reply
from worker.mailchimp.transport import DEADLINE, DeadlineTransport, read_whole

# the most that Mailchimp gives on one page (its specification)
PAGE: Final = 1000

T = TypeVar("T")


class Caller:
    """Calls one Mailchimp account, one call at a time; each thread has its own.

    `base_url` is what `address.base_url` gave. Every call ends within `deadline` and raises only
    `SegmentExportError`s; `calls` counts those begun. `bearer` says that the key is an OAuth token.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        bearer: bool = False,
        deadline: timedelta = DEADLINE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.calls = 0
        self._base_url = base_url
        self._deadline = deadline
        self._transport = transport or DeadlineTransport(deadline=deadline)
        self._headers = _headers(_bearer(api_key) if bearer else _basic(api_key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call would open another."""
        self._transport.close()

    def _get(self, path: str, call: Call) -> bytes:
        return self._call("GET", path, call)

    def _call(self, method: str, path: str, call: Call, body: bytes | None = None) -> bytes:
        return self._content(self._ask(method, path, body), call)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """Make a call and give its answer, whatever its status."""
        self.calls += 1
        request = httpx.Request(method, self._base_url + path, headers=self._headers, content=body)
        try:
            response = self._transport.handle_request(request)
            content = read_whole(response)
        except httpx.HTTPError as error:
            # without its cause, whose text may hold what was sent
            raise errors.unreachable(error, seconds=self._deadline.total_seconds()) from None
        return Reply(status=response.status_code, body=content)

    def _content(self, reply: Reply, call: Call) -> bytes:
        if reply.status == HTTPStatus.OK:
            return reply.body
        raise errors.failure(reply, call)

    def _all(
        self, path: str, call: Call, read: Callable[[bytes], tuple[list[T], int]], **query: str
    ) -> list[T]:
        """List everything, page by page; `read` gives a page's items, and how many there are on all."""
        found: list[T] = []
        while True:
            asked = urlencode({**query, "count": PAGE, "offset": len(found)})
            page, total = read(self._get(f"{path}?{asked}", call))
            found += page
            if not page or len(found) >= total:
                return found


@lru_cache(maxsize=1)
def user_agent() -> str:
    """Name this program and its version to Mailchimp."""
    return f"segment-export/{metadata.version('segment-export')}"


def _basic(api_key: str) -> str:
    # any user name goes with a key (Mailchimp's documentation)
    return f"Basic {base64.b64encode(f'segment-export:{api_key}'.encode()).decode()}"


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _headers(authorization: str) -> httpx.Headers:
    return httpx.Headers(
        {
            "Authorization": authorization,
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "gzip",
            "Content-Type": "application/json",
            "User-Agent": user_agent(),
        }
    )
