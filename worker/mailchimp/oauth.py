"""Authenticate with Mailchimp: OAuth 2, from the page where a person agrees to the token and its data centre.

Tokens don't expire and can't be refreshed, and there are no scopes (Mailchimp's documentation).
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from worker.errors import SegmentExportError, TellOperator, Unavailable, UsageError
from worker.mailchimp.address import can_be_called, is_data_centre
from worker.mailchimp.calls import user_agent
from worker.mailchimp.problems import masked
from worker.mailchimp.reading import read
from worker.mailchimp.transport import DeadlineTransport, read_whole

LOGIN: Final = "https://login.mailchimp.com"
DEADLINE: Final = timedelta(seconds=15)
"""Of each of the two calls; a person waits for both."""

# both answers take some hundred bytes
_LARGEST_ANSWER: Final = 100_000
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,1024}")

T = TypeVar("T")


class NotAuthorized(UsageError):
    """There is no token in the end; a code is good for one try, so the person has to begin again."""


class App(NamedTuple):
    """What Mailchimp knows this installation as; `login` is another base than Mailchimp's own, for tests."""

    client_id: str
    client_secret: str
    redirect_uri: str
    login: str | None = None

    def __repr__(self) -> str:
        return f"App(client_id={self.client_id!r})"


class Grant(NamedTuple):
    """What a person has given: a token, where it is good for, and the name of the account."""

    token: str
    data_centre: str
    account: str

    def __repr__(self) -> str:
        return f"Grant(data_centre={self.data_centre!r})"


class _Token(msgspec.Struct):
    access_token: str


class _Metadata(msgspec.Struct):
    # `api_endpoint` is not even read: no answer decides which host is called
    dc: str
    accountname: str = ""


class _Refusal(msgspec.Struct):
    error: str = ""


_read_token: Final = msgspec.json.Decoder(_Token)
_read_metadata: Final = msgspec.json.Decoder(_Metadata)
_read_refusal: Final = msgspec.json.Decoder(_Refusal)


def authorize_url(app: App, state: str) -> str:
    """Give the page where a person logs in to Mailchimp and agrees.

    Raises:
        TellOperator: when the other base can't be called.
    """
    query = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "state": state,
    }
    return f"{_base(app)}/oauth2/authorize?{urlencode(query)}"


def exchange(app: App, code: str, *, deadline: timedelta = DEADLINE) -> Grant:
    """Turn the code of the page into a token, and ask where the token is good for.

    Raises:
        NotAuthorized: when Mailchimp does not take the code, does not answer, or answers nonsense.
        TellOperator: when Mailchimp does not know this installation.
    """
    token = _decoded(_read_token, _ask(_token_request(app, code), deadline)).access_token
    if not _TOKEN.fullmatch(token):
        raise _nonsense()
    metadata = _decoded(_read_metadata, _ask(_metadata_request(app, token), deadline))
    if not is_data_centre(metadata.dc):
        raise NotAuthorized(
            "Mailchimp's login names a data centre that can't be one, so nothing was saved: begin again, "
            "and look who answers at its address if this comes back."
        )
    return Grant(token, metadata.dc, masked(metadata.accountname))


def _token_request(app: App, code: str) -> httpx.Request:
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
        "code": code,
    }
    return httpx.Request("POST", f"{_base(app)}/oauth2/token", headers=_headers(), data=form)


def _metadata_request(app: App, token: str) -> httpx.Request:
    headers = {**_headers(), "Authorization": f"OAuth {token}"}
    return httpx.Request("GET", f"{_base(app)}/oauth2/metadata", headers=headers)


def _headers() -> dict[str, str]:
    return {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": user_agent()}


def _ask(request: httpx.Request, deadline: timedelta) -> bytes:
    """Make a call and give the body of its 200; nothing is followed and nothing is asked twice."""
    with DeadlineTransport(deadline=deadline) as transport:
        try:
            response = transport.handle_request(request)
            body = read_whole(response, _LARGEST_ANSWER)
        except httpx.HTTPError as error:
            # without its cause, whose text may hold what was sent
            raise NotAuthorized(
                f"Mailchimp's login could not be reached or did not answer in time ({type(error).__name__}): "
                "begin again in a moment."
            ) from None
        except Unavailable:
            raise _nonsense() from None
    if response.status_code != HTTPStatus.OK:
        raise _refused(response.status_code, body)
    return body


def _refused(status: int, body: bytes) -> SegmentExportError:
    if _why(body) == "invalid_client":
        return TellOperator(
            "Mailchimp does not know this installation (invalid_client): correct "
            "SEGMENT_EXPORT_OAUTH_CLIENT_ID and SEGMENT_EXPORT_OAUTH_CLIENT_SECRET, and begin again."
        )
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return NotAuthorized(
            f"Mailchimp does not take what its page gave ({status}): begin again, and agree within minutes."
        )
    return NotAuthorized(
        f"Mailchimp's login is out of order or not where it should be ({status}): begin again in a moment."
    )


def _why(body: bytes) -> str:
    try:
        return read(_read_refusal, body, "").error
    except Unavailable:
        return ""


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return read(decoder, body, "")
    except Unavailable:
        raise _nonsense() from None


def _nonsense() -> NotAuthorized:
    return NotAuthorized(
        "Mailchimp's login answered something that can't be used, so nothing was saved: begin again."
    )


def _base(app: App) -> str:
    if app.login is None:
        return LOGIN
    if not can_be_called(app.login):
        raise TellOperator(
            "The other base URL set for Mailchimp's login is not one that can be called: correct "
            "SEGMENT_EXPORT_MAILCHIMP_LOGIN_URL."
        )
    return app.login.rstrip("/")
