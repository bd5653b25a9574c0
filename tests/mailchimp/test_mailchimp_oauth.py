"""OAuth with Mailchimp: what a login may answer, and what is made of it."""

import gzip
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.mailchimp.far_side import (
    AMPLE,
    ENOUGH,
    LONG_BEFORE,
    Behaviour,
    Serve,
    answer,
    drip,
    hear,
    say,
    silence,
)
from tests.mailchimp_standin import API_KEY, Standin
from worker.errors import StopRun, TellOperator
from worker.mailchimp.address import base_url
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.clients import ClientPool
from worker.mailchimp.oauth import LOGIN, App, Grant, NotAuthorized, authorize_url, exchange

REDIRECT = "https://exports.example.com/oauth/callback"
APP = App("app", "client-secret", REDIRECT)
TOKEN = answer(b'{"access_token":"tokentoken","expires_in":0,"scope":null}')
HOSTILE = [
    "us1.evil.com/",
    "x@evil",
    "us1@evil.com/",
    "169.254.169.254/",
    "localhost:6379/",
    "us1/",
    "us1?",
    "us1#",
    "us1\n",
    "US1",
    "us１",  # noqa: RUF001  # a full-width digit
    "us1234",
    "",
]


@pytest.fixture
def app(standin: Standin) -> App:
    standin.add_app(APP.client_id, APP.client_secret, REDIRECT)
    return APP._replace(login=standin.url)


def agree(app: App) -> str:
    """Give the code that a person brings back."""
    response = httpx.get(authorize_url(app, "state"), trust_env=False)
    found = parse_qs(urlsplit(response.headers["Location"]).query)
    assert found["state"] == ["state"]
    return found["code"][0]


def at(where: str) -> App:
    return APP._replace(login=f"http://{where}")


def test_the_page_is_mailchimps_own_with_everything_encoded() -> None:
    where = urlsplit(authorize_url(APP._replace(client_id="a&b"), "s t"))
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{LOGIN}/oauth2/authorize"
    assert parse_qs(where.query) == {
        "response_type": ["code"],
        "client_id": ["a&b"],
        "redirect_uri": [REDIRECT],
        "state": ["s t"],
    }


def test_a_code_becomes_a_token_that_opens_the_account(app: App, standin: Standin) -> None:
    standin.configure_login(account_name="Dana's shop")
    grant = exchange(app, agree(app))
    assert grant == Grant(standin.tokens()[0], "us1", "Dana's shop")
    with MailchimpClient(base_url=f"{standin.url}/3.0", api_key=grant.token, bearer=True) as client:
        client.ping()


def test_a_token_is_sent_as_bearer_and_a_key_as_basic(serve: Serve) -> None:
    heard: list[bytes] = []

    def behaviour(connection: socket.socket, _over: threading.Event) -> None:
        heard.append(hear(connection))
        connection.sendall(answer())

    pool = ClientPool(override=f"http://{serve(behaviour)}")
    pool.get("newsletter", "tokentoken", "us1").ping()
    pool.get("newsletter", "tokentoken-us1").ping()
    pool.close_all()
    assert b"\r\nAuthorization: Bearer tokentoken\r\n" in heard[0]
    assert b"\r\nAuthorization: Basic " in heard[1]


def test_the_data_centre_of_a_token_chooses_the_host() -> None:
    assert base_url("tokentoken", data_centre="us21") == "https://us21.api.mailchimp.com/3.0"
    assert base_url("tokentoken-us6", data_centre="us21") == "https://us21.api.mailchimp.com/3.0"
    with pytest.raises(StopRun):
        base_url("tokentoken-us6", data_centre="us21.evil.com/")


@pytest.mark.parametrize("dc", HOSTILE)
def test_rule_1_a_hostile_data_centre_is_refused(app: App, standin: Standin, dc: str) -> None:
    standin.configure_login(dc=dc)
    with pytest.raises(
        NotAuthorized, match=r"^Mailchimp's login names a data centre that can't be one"
    ) as seen:
        exchange(app, agree(app))
    assert "evil" not in str(seen.value)


def test_rule_1_an_api_endpoint_elsewhere_changes_nothing(app: App, standin: Standin) -> None:
    standin.configure_login(api_endpoint="https://us1.evil.com")
    grant = exchange(app, agree(app))
    assert base_url(grant.token, data_centre=grant.data_centre) == "https://us1.api.mailchimp.com/3.0"


def test_what_an_account_is_called_is_one_line_without_addresses(app: App, standin: Standin) -> None:
    standin.configure_login(account_name="Dana\x1b[2J\ndana@example.com")
    assert exchange(app, agree(app)).account == "Dana [2J (an address)"


def test_a_code_is_good_once(app: App) -> None:
    code = agree(app)
    exchange(app, code)
    with pytest.raises(
        NotAuthorized, match=r"^Mailchimp does not take what its page gave \(400\): begin again"
    ):
        exchange(app, code)


def test_an_app_that_mailchimp_does_not_know_is_the_operators_business(app: App) -> None:
    with pytest.raises(TellOperator, match="correct SEGMENT_EXPORT_OAUTH_CLIENT_ID and") as caught:
        exchange(app._replace(client_secret="other"), agree(app))  # noqa: S106 (nobody's)
    assert "other" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(b"<html>Log in</html>"), "answered something that can't be used"),
        (answer(b'{"access_token": 5}'), "answered something that can't be used"),
        (answer(b'{"access_token": "a b\\r\\nc"}'), "answered something that can't be used"),
        (answer(b'{"access_token": ""}'), "answered something that can't be used"),
        (answer(b" " * 10_000_000), "answered something that can't be used"),
        (answer(gzip.compress(b" " * 9_000_000), b"Content-Encoding: gzip"), "that can't be used"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "out of order"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", r"out of order .* \(500\): begin again"),
        (b"nonsense\r\n\r\n", "could not be reached or did not answer in time"),
    ],
    ids=["a page", "a number", "a header in it", "nothing", "10 MB", "9 MB of gzip", "302", "500", "no HTTP"],
)
def test_an_answer_that_is_no_token_saves_nothing(serve: Serve, given: bytes, sentence: str) -> None:
    with pytest.raises(NotAuthorized, match=sentence):
        exchange(at(serve(say(given))), "code", deadline=AMPLE)


def test_metadata_that_is_none_saves_nothing(serve: Serve) -> None:
    answers = iter([TOKEN, answer(b'{"dc": null, "api_endpoint": "https://us1.api.mailchimp.com"}')])

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        say(next(answers))(connection, over)

    with pytest.raises(NotAuthorized, match="answered something that can't be used"):
        exchange(at(serve(behaviour)), "code", deadline=AMPLE)


@pytest.mark.parametrize("behaviour", [silence, drip(TOKEN * 10)], ids=["silence", "a drip"])
def test_a_login_that_does_not_come_to_an_end_is_given_up(serve: Serve, behaviour: Behaviour) -> None:
    begun = time.monotonic()
    with pytest.raises(
        NotAuthorized, match=r"did not answer in time \(ReadTimeout\): begin again in a moment"
    ):
        exchange(at(serve(behaviour)), "code", deadline=ENOUGH)
    assert time.monotonic() - begun < LONG_BEFORE


def test_neither_secret_nor_token_stands_in_what_is_shown_of_them() -> None:
    assert repr(APP) == "App(client_id='app')"
    assert repr(Grant("tokentoken", "us1", "Dana's")) == "Grant(data_centre='us1')"


@pytest.mark.parametrize("login", ["ftp://host", "https://user:pw@host", "nonsense"])
def test_another_login_that_can_not_be_called_is_the_operators_business(login: str) -> None:
    with pytest.raises(TellOperator, match="correct SEGMENT_EXPORT_MAILCHIMP_LOGIN_URL"):
        authorize_url(APP._replace(login=login), "state")


def test_a_key_of_the_account_still_opens_it(standin: Standin) -> None:
    with MailchimpClient(base_url=f"{standin.url}/3.0", api_key=API_KEY) as client:
        client.ping()
