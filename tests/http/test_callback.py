"""The way back from Mailchimp: no token, a state that is good once, text that is never markup."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from producer.application import Producer
from tests.http.conftest import Caller
from tests.mailchimp_standin import Standin
from worker.settings import Settings

CALLBACK = "https://exports.example.com/oauth/callback"
SECRET = "5ec2e75ec2e7-client"  # noqa: S105 (nobody's)


@pytest.fixture
def mailchimp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    with Standin() as standin:
        standin.add_app("app", SECRET, CALLBACK)
        for name, value in {
            "MAILCHIMP_URL": standin.url,
            "MAILCHIMP_LOGIN_URL": standin.url,
            "OAUTH_CLIENT_ID": "app",
            "OAUTH_CLIENT_SECRET": SECRET,
            "PUBLIC_URL": "https://exports.example.com",
        }.items():
            monkeypatch.setenv(f"SEGMENT_EXPORT_{name}", value)
        yield standin


@pytest.fixture
def settings(mailchimp: Standin, settings: Settings) -> Settings:  # noqa: ARG001 - its address is set first
    return Settings.from_environment()


def _agree(administrator: Caller) -> str:
    """The path that Mailchimp sends a person to who follows the link and agrees."""
    link = administrator("POST", "/v1/connections/newsletter/authorize").json()["link"]
    where = urlsplit(httpx.get(link, trust_env=False).headers["Location"])
    return f"{where.path}?{where.query}"


def test_who_comes_back_needs_no_token_and_is_told_in_plain_text(
    administrator: Caller, nobody: Caller, producer: Producer
) -> None:
    answer = nobody("GET", _agree(administrator))
    assert answer.status_code == 200
    assert answer.text == (
        "Connection newsletter uses the Mailchimp account of Stand-in from now on: you can close this page.\n"
    )
    assert producer.catalog.connection("newsletter").data_centre == "us1"
    (entry,) = producer.audit.newest()
    assert (entry.who, entry.what) == ("a administrator", "authorize_connection")


def test_rule_11_what_mailchimp_says_is_never_markup(
    administrator: Caller, nobody: Caller, mailchimp: Standin
) -> None:
    mailchimp.configure_login(account_name="<script>alert(1)</script>")
    answer = nobody("GET", _agree(administrator))
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_same_way_back_is_open_once(administrator: Caller, nobody: Caller) -> None:
    path = _agree(administrator)
    assert [nobody("GET", path).status_code for _ in range(2)] == [200, 400]


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?code=y", "?state=%00%F0", "?error=access_denied"])
def test_who_was_not_sent_here_is_told_so(nobody: Caller, mailchimp: Standin, query: str) -> None:
    answer = nobody("GET", f"/oauth/callback{query}")
    assert (answer.status_code, answer.text[:41]) == (400, "Nothing was begun with this link, or it w")
    assert mailchimp.tokens() == []


def test_neither_state_nor_code_is_logged(administrator: Caller, nobody: Caller, logged: list[Any]) -> None:
    path = _agree(administrator)
    nobody("GET", path)
    assert not any(part.partition("=")[2] in str(logged) for part in urlsplit(path).query.split("&"))
    assert "/oauth/callback" in str(logged)


def test_only_administrators_begin(contributor: Caller, viewer: Caller) -> None:
    for caller in (contributor, viewer):
        assert caller("POST", "/v1/connections/newsletter/authorize").status_code == 403


def test_a_key_that_follows_a_token_is_a_key_again(
    administrator: Caller, nobody: Caller, producer: Producer
) -> None:
    nobody("GET", _agree(administrator))
    key = f"{'0' * 32}-us6"
    answer = administrator("PUT", "/v1/connections/newsletter/key", json={"api_key": key})
    assert answer.status_code == 200
    assert producer.catalog.connection("newsletter").data_centre is None
