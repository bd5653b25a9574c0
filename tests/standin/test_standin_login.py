from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.mailchimp_standin import Standin

REDIRECT = "https://exports.example.com/oauth/callback"
ASKED = {"response_type": "code", "client_id": "app", "redirect_uri": REDIRECT, "state": "s"}
FORM = {
    "grant_type": "authorization_code",
    "client_id": "app",
    "client_secret": "secret",
    "redirect_uri": REDIRECT,
}


@pytest.fixture
def http(standin: Standin) -> Iterator[httpx.Client]:
    standin.add_app("app", "secret", REDIRECT)
    with httpx.Client(base_url=standin.url, timeout=10, trust_env=False) as client:
        yield client


def _answered(http: httpx.Client, **changed: str) -> dict[str, list[str]]:
    response = http.get("/oauth2/authorize", params={**ASKED, **changed})
    assert response.status_code == 302
    assert response.headers["Location"].startswith(f"{REDIRECT}?")
    return parse_qs(urlsplit(response.headers["Location"]).query)


def _code(http: httpx.Client) -> str:
    return _answered(http)["code"][0]


def test_a_person_who_agrees_comes_back_with_code_and_state(http: httpx.Client, standin: Standin) -> None:
    assert _answered(http).keys() == {"code", "state"}
    standin.configure_login(deny=True)
    assert _answered(http) == {"error": ["access_denied"], "state": ["s"]}


@pytest.mark.parametrize("change", [{"client_id": "x"}, {"redirect_uri": "https://evil/"}, {"more": "1"}])
def test_the_page_is_strict(http: httpx.Client, change: dict[str, str]) -> None:
    assert http.get("/oauth2/authorize", params={**ASKED, **change}).status_code == 400


def test_a_token_opens_metadata_and_the_api(http: httpx.Client) -> None:
    token = http.post("/oauth2/token", data={**FORM, "code": _code(http)}).json()["access_token"]
    told = http.get("/oauth2/metadata", headers={"Authorization": f"OAuth {token}"}).json()
    assert (told["dc"], told["accountname"]) == ("us1", "Stand-in")
    assert http.get("/oauth2/metadata", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert http.get("/3.0/ping", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert http.get("/3.0/ping", auth=("any", token)).status_code == 401


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "x"}, "invalid_client"),
        ({"redirect_uri": "x"}, "invalid_grant"),
        ({"code": "x"}, "invalid_grant"),
        ({"more": "1"}, "invalid_request"),
    ],
)
def test_a_token_is_given_to_its_app_only(http: httpx.Client, change: dict[str, str], error: str) -> None:
    assert http.post("/oauth2/token", data={**FORM, "code": _code(http), **change}).json()["error"] == error


def test_a_code_is_good_once(http: httpx.Client) -> None:
    form = {**FORM, "code": _code(http)}
    assert http.post("/oauth2/token", data=form).status_code == 200
    assert http.post("/oauth2/token", data=form).status_code == 400
