"""The one way to call Mailchimp: typed answers, and failures by their fate."""

import base64
from datetime import timedelta
from functools import lru_cache
from importlib import metadata
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx

from worker.exports.attributes import MergeField
from worker.exports.uploading import Answer
from worker.mailchimp import audience, errors, members
from worker.mailchimp.audience import Account, Audience
from worker.mailchimp.errors import Call, Reply
from worker.mailchimp.transport import DEADLINE, DeadlineTransport, read_whole

# the most that Mailchimp gives on one page (its specification)
_PAGE: Final = 1000


class MailchimpClient:
    """Calls one Mailchimp account, one call at a time; each thread has its own.

    `base_url` is what `address.base_url` gave. Every call ends within `deadline` and raises only
    `SegmentExportError`s; `calls` counts those begun.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        deadline: timedelta = DEADLINE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.calls = 0
        self._base_url = base_url
        self._deadline = deadline
        self._transport = transport or DeadlineTransport(deadline=deadline)
        self._headers = _headers(api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call would open another."""
        self._transport.close()

    def ping(self) -> None:
        """Ask whether the API answers and takes the key; raises when not."""
        self._get("/ping", Call())

    def account(self) -> Account:
        """Ask what account the key belongs to."""
        return audience.read_account(self._get("/", Call()))

    def audience(self, list_id: str) -> Audience:
        """Ask for an audience."""
        return audience.read_audience(self._get(_list(list_id), Call(audience=list_id)))

    def merge_fields(self, list_id: str) -> list[MergeField]:
        """List all merge fields of an audience."""
        path = f"{_list(list_id)}/merge-fields"
        fields: list[MergeField] = []
        while True:
            query = f"?count={_PAGE}&offset={len(fields)}"
            page, total = audience.read_merge_fields(self._get(path + query, Call(audience=list_id)))
            fields += page
            if not page or len(fields) >= total:
                return fields

    def upsert(self, list_id: str, body: bytes) -> Answer:
        """Send a chunk: `body` is the finished JSON of at most 500 members.

        Sending the same chunk again has no other effect than sending it once.

        Raises:
            ChunkRefused: the call as a whole was refused for something in it.
            StopRun: no call of this run can succeed.
            RetryLater: the same call may be made again; nothing is known of its effect.
        """
        call = Call(audience=list_id, chunk=True)
        return members.read_answer(self._call("POST", _list(list_id), call, body))

    def _get(self, path: str, call: Call) -> bytes:
        return self._call("GET", path, call, None)

    def _call(self, method: str, path: str, call: Call, body: bytes | None) -> bytes:
        self.calls += 1
        request = httpx.Request(method, self._base_url + path, headers=self._headers, content=body)
        try:
            response = self._transport.handle_request(request)
            content = read_whole(response)
        except httpx.HTTPError as error:
            # without its cause, whose text may hold what was sent
            raise errors.unreachable(error, seconds=self._deadline.total_seconds()) from None
        if response.status_code == httpx.codes.OK:
            return content
        raise errors.failure(Reply(status=response.status_code, body=content), call)


@lru_cache(maxsize=1)
def user_agent() -> str:
    """Name this program and its version to Mailchimp."""
    return f"segment-export/{metadata.version('segment-export')}"


def _headers(api_key: str) -> httpx.Headers:
    # any user name goes with a key (Mailchimp's documentation)
    credentials = base64.b64encode(f"segment-export:{api_key}".encode()).decode()
    return httpx.Headers(
        {
            "Authorization": f"Basic {credentials}",
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "gzip",
            "Content-Type": "application/json",
            "User-Agent": user_agent(),
        }
    )


def _list(list_id: str) -> str:
    return f"/lists/{quote(list_id, safe='')}"
