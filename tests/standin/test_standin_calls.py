"""Who may call, how many calls may be open, and the answers about the account and its audience."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.mailchimp_standin import API_KEY, LIST_ID, AudienceHandle, Standin
from tests.mailchimp_standin.caller import Caller

PAUSE = 0.5  # seconds, for ten calls to be open at once on a busy machine


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        threading.Event().wait(0.005)


@contextmanager
def calls_open(standin: Standin, caller: Caller, number: int) -> Iterator[list[httpx.Response]]:
    """So many calls are open inside; their answers are there afterwards."""
    answers: list[httpx.Response] = []
    with ThreadPoolExecutor(number) as pool:
        pending = [pool.submit(caller.http.get, "/3.0/ping") for _ in range(number)]
        wait_until(lambda: standin.account().open == number, f"{number} calls are open")
        yield answers
        answers += [call.result() for call in pending]


def test_a_key_opens_by_basic_and_by_bearer(standin: Standin) -> None:
    ping = f"{standin.url}/3.0/ping"
    assert httpx.get(ping, auth=("anybody", API_KEY)).json() == {"health_status": "Everything's Chimpy!"}
    assert httpx.get(ping, headers={"Authorization": f"Bearer {API_KEY}"}).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer nope-us1", "Basic !!!", "Basic eDp5", f"Digest {API_KEY}"])
def test_without_a_known_key_there_is_a_401(standin: Standin, header: str) -> None:
    answer = httpx.get(f"{standin.url}/3.0/ping", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["title"]) == (401, "API Key Invalid")
    assert standin.statistics().unauthorized == 1
    assert standin.account().statistics().calls == {}


def test_a_revoked_key_opens_nothing(standin: Standin, caller: Caller) -> None:
    standin.account().configure(revoked=True)
    assert caller.http.get("/3.0/ping").status_code == 401
    standin.account().configure(revoked=False)
    assert caller.http.get("/3.0/ping").status_code == 200


def test_accounts_see_their_own_audiences_only(standin: Standin) -> None:
    other = standin.add_account("f" * 32 + "-us2")
    standin.add_audience("other00001", api_key=other.api_key)
    with Caller(standin.url, api_key=other.api_key) as caller:
        assert caller.http.get(caller.list).status_code == 404
        assert caller.http.get("/3.0/lists/other00001").json()["id"] == "other00001"
        assert [a["id"] for a in caller.http.get("/3.0/lists").json()["lists"]] == ["other00001"]


@pytest.mark.parametrize(
    "path", ["/3.0/nothing", "/ping", "/3.0/lists/unknown", "/3.0/lists/unknown/members"]
)
def test_what_is_not_there_is_a_404(caller: Caller, path: str) -> None:
    answer = caller.http.get(path)
    assert (answer.status_code, answer.json()["title"]) == (404, "Resource Not Found")
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_the_account_and_the_audience_tell_their_numbers(caller: Caller, standin: Standin) -> None:
    standin.account().configure(plan="forever_free", name="Newsletter account")
    caller.batch(
        {"email_address": "a@mail.org", "status": "subscribed"},
        {"email_address": "b@mail.org", "status": "cleaned"},
    )
    root = caller.http.get("/3.0/").json()
    assert (root["total_subscribers"], root["pricing_plan_type"]) == (1, "forever_free")
    assert root["account_name"] == "Newsletter account"
    assert caller.http.get("/3.0/", params={"fields": "account_name"}).json() == {
        "account_name": "Newsletter account"
    }
    stats = caller.get("", include_total_contacts="true")["stats"]
    assert (stats["member_count"], stats["cleaned_count"], stats["total_contacts"]) == (1, 1, 2)


def test_the_eleventh_open_call_gets_a_429_and_is_counted(standin: Standin, caller: Caller) -> None:
    standin.set_latency(PAUSE)
    with calls_open(standin, caller, 10) as answers:
        refused = caller.http.get("/3.0/ping")
    assert (refused.status_code, refused.json()["title"]) == (429, "Too Many Requests")
    assert "retry-after" not in refused.headers
    assert [answer.status_code for answer in answers] == [200] * 10
    seen = standin.account().statistics()
    assert (seen.open, seen.high_water) == (0, 11)
    assert seen.statuses == {200: 10, 429: 1}
    assert seen.calls == {"GET /ping": 11}


def test_other_integrations_use_the_limit_up_too(standin: Standin, caller: Caller) -> None:
    standin.account().configure(limit=5, others=3, bare=True)
    standin.set_latency(PAUSE)
    with calls_open(standin, caller, 2):
        refused = caller.http.get("/3.0/ping")
    assert (refused.status_code, refused.content) == (429, b"")


def test_one_call_after_the_other_is_never_two_at_once(standin: Standin, caller: Caller) -> None:
    for _ in range(50):
        caller.http.get("/3.0/ping")
    assert standin.account().high_water() == 1


def test_ten_callers_in_a_hurry_are_never_eleven(standin: Standin, caller: Caller) -> None:
    def hurry(number: int) -> list[int]:
        member = {"email_address": f"m{number}@mail.org", "status": "subscribed"}
        return [caller.batch(member).status_code for _ in range(30)]

    with ThreadPoolExecutor(10) as pool:
        answered = [status for statuses in pool.map(hurry, range(10)) for status in statuses]
    assert answered == [200] * 300
    assert standin.account().high_water() <= 10


def test_the_high_water_mark_can_be_asked_for_a_span_of_time(standin: Standin, caller: Caller) -> None:
    standin.set_latency(PAUSE)
    with calls_open(standin, caller, 3):
        pass
    between = time.time()
    with calls_open(standin, caller, 2):
        pass
    account = standin.account()
    assert account.high_water() == 3
    assert account.high_water(until=between) == 3
    assert account.high_water(since=between) == 2
    assert max(count for _, count in account.timeline()) == 3
    standin.reset_statistics()
    assert account.high_water() == 0


@pytest.mark.parametrize("linger", [True, False])
def test_a_call_whose_caller_went_away_may_stay_open_and_have_its_effect(
    standin: Standin,
    audience: AudienceHandle,
    caller: Caller,
    linger: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    standin.account().configure(linger=linger)
    # without lingering it must not take a minute
    standin.set_latency(PAUSE if linger else 60)
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            caller.list,
            json={"members": [{"email_address": "a@mail.org", "status": "subscribed"}]},
            timeout=0.1,
        )
    account = standin.account()
    wait_until(lambda: account.open == 0, "the call has ended")
    assert len(audience) == linger


def test_a_caller_may_go_away_in_the_middle_of_its_body(standin: Standin) -> None:
    host, port = standin.url.removeprefix("http://").split(":")
    head = f"POST /3.0/lists/{LIST_ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
        wait_until(lambda: standin.account().open == 1, "the call counts as open by its headers")
    wait_until(lambda: standin.account().open == 0, "the call has ended")


def test_calls_are_recorded_with_their_times(standin: Standin, caller: Caller) -> None:
    before = time.time()
    caller.http.get(f"{caller.list}/merge-fields")
    caller.http.get("/3.0/lists/unknown")
    first, second = standin.account().calls()
    assert (first.endpoint, first.path, first.status, first.open) == (
        "GET /lists/{list_id}/merge-fields",
        f"/lists/{LIST_ID}/merge-fields",
        200,
        1,
    )
    assert before <= first.started <= first.ended <= second.started
    assert second.status == 404


def test_latency_is_fixed_a_span_or_a_function_of_the_call(standin: Standin, caller: Caller) -> None:
    def took(path: str) -> float:
        started = time.monotonic()
        caller.http.get(path)
        return time.monotonic() - started

    standin.set_latency((0.1, 0.15))
    assert took("/3.0/ping") >= 0.1
    standin.set_latency(lambda endpoint, _: 0.0 if endpoint == "GET /ping" else 60)
    assert took("/3.0/ping") < 60
