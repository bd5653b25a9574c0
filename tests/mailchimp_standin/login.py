"""Mailchimp's login: the page where a person agrees, the token, and what the token is good for.

The person agrees at once, unless `Login.deny` is set. Strict: a parameter too many or too few is a 400.
"""

import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec
from aiohttp import web

from .problems import encode

FORM = "application/x-www-form-urlencoded"
CODE_LASTS = 60.0
ASKED = frozenset({"response_type", "client_id", "redirect_uri", "state"})
EXCHANGED = frozenset({"grant_type", "client_id", "client_secret", "redirect_uri", "code"})


class App(msgspec.Struct):
    """An app that was registered at Mailchimp."""

    client_id: str
    client_secret: str
    redirect_uri: str


class Code(msgspec.Struct):
    """What the page gave: good once, for a minute, for the app that asked."""

    client_id: str
    api_key: str
    until: float


class Login:
    """Apps, codes and tokens. Whoever logs in has the account of `api_key`."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.deny = False
        self.dc = api_key.rpartition("-")[2]
        self.api_endpoint = f"https://{self.dc}.api.mailchimp.com"
        self.account_name = "Stand-in"
        self.apps: dict[str, App] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, str] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        match request.method, request.path:
            case "GET", "/oauth2/authorize":
                return self._authorize(request)
            case "POST", "/oauth2/token":
                return self._token(request, body)
            case "GET", "/oauth2/metadata":
                return self._metadata(request)
        return web.Response(status=404, text="<h1>Not found</h1>", content_type="text/html")

    def _authorize(self, request: web.BaseRequest) -> web.StreamResponse:
        query = _once(request.query_string)
        app = self.apps.get(query.get("client_id", ""))
        if query.keys() != ASKED or query["response_type"] != "code" or app is None:
            return web.Response(status=400, text="<h1>Invalid request</h1>", content_type="text/html")
        if query["redirect_uri"] != app.redirect_uri or not query["state"]:
            return web.Response(status=400, text="<h1>Invalid redirect</h1>", content_type="text/html")
        answer = {"error": "access_denied"} if self.deny else {"code": self._new_code(app)}
        where = f"{app.redirect_uri}?{urlencode({**answer, 'state': query['state']})}"
        return web.Response(status=302, headers={"Location": where})

    def _new_code(self, app: App) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = Code(app.client_id, self.api_key, time.time() + CODE_LASTS)
        return code

    def _token(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        form = _once(body.decode())
        content_type = request.headers.get("Content-Type", "").partition(";")[0]
        if content_type != FORM or request.query_string or form.keys() != EXCHANGED:
            return _error("invalid_request")
        app = self.apps.get(form["client_id"])
        if app is None or form["client_secret"] != app.client_secret:
            return _error("invalid_client", 401)
        code = self.codes.pop(form["code"], None)
        fits = form["grant_type"] == "authorization_code" and form["redirect_uri"] == app.redirect_uri
        if code is None or not fits or code.client_id != app.client_id or time.time() > code.until:
            return _error("invalid_grant")
        token = secrets.token_hex(16)
        self.tokens[token] = code.api_key
        return _json({"access_token": token, "expires_in": 0, "scope": None})

    def _metadata(self, request: web.BaseRequest) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "OAuth" or token not in self.tokens or request.query_string:
            return _error("invalid_token", 401)
        return _json(
            {
                "dc": self.dc,
                "role": "owner",
                "accountname": self.account_name,
                "user_id": 1,
                "login": {"email": "dana@example.com", "login_id": 1, "login_name": "dana"},
                "login_url": "https://login.mailchimp.com",
                "api_endpoint": self.api_endpoint,
            }
        )


def _once(text: str) -> Mapping[str, str]:
    """Parameters by name; of one that comes twice none is taken."""
    pairs = parse_qsl(text, keep_blank_values=True)
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}


def _error(code: str, status: int = 400) -> web.Response:
    return _json({"error": code, "error_description": "No."}, status)


def _json(document: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(document), headers={"Content-Type": "application/json"})
