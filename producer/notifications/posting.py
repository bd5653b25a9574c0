"""Notifications over HTTP: one request, a deadline for all of it, no redirects, no body of an answer read."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import httpx

from producer.notifications.faults import NotSent
from worker.mailchimp.transport import DeadlineTransport

DEADLINE: Final = timedelta(seconds=15)

_CONNECT: Final = timedelta(seconds=5)
_LONGEST: Final = 2048
_OK: Final = range(200, 300)
_MOVED: Final = range(300, 400)


def post(url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta = DEADLINE) -> None:
    """Sends JSON to a URL.

    Raises:
        NotSent: it did not arrive, or was not taken.
    """
    request = _request(url, body, headers)
    transport = DeadlineTransport(deadline=deadline, connect_timeout=_CONNECT)
    try:
        with transport:
            # its status alone is of interest; what else it says is not even read
            answer = transport.handle_request(request)
            answer.close()
    except httpx.TimeoutException:
        raise NotSent(f"its address did not answer within {deadline.total_seconds():.0f} s") from None
    except httpx.HTTPError as error:
        raise NotSent(f"its address can't be reached ({type(error).__name__})") from None
    if answer.status_code in _MOVED:
        raise NotSent(f"its address answered {answer.status_code}, and redirects are not followed")
    if answer.status_code not in _OK:
        raise NotSent(f"its address answered {answer.status_code}")


def _request(url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
    all_headers = {"content-type": "application/json", "user-agent": "segment-export", **headers}
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
        if usable and len(url) <= _LONGEST:
            return httpx.Request("POST", url, headers=all_headers, content=body)
    except (ValueError, httpx.InvalidURL):
        pass
    raise NotSent("its url is no address that begins with https:// or http://")
