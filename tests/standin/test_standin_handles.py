"""The handles, on a stand-in in this process and on one in its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.mailchimp_standin import (
    API_KEY,
    LIST_ID,
    Bare,
    Controls,
    Delay,
    MemberView,
    MergeField,
    Standin,
    StandinProcess,
    digest,
)
from tests.mailchimp_standin.caller import Caller

ROOT = Path(__file__).resolve().parents[2]
ANN = "ann@mail.org"
MEMBERS = [
    MemberView("Ann@Mail.org", "subscribed", {"FNAME": "Ann", "POINTS": 7}, ("eu", "loyal")),
    MemberView("bob@mail.org", "unsubscribed", {}, ("loyal",), "self"),
    MemberView("eve@mail.org", "archived", {"ADDRESS": {"addr1": "1 Main St"}}),
]


@pytest.fixture(params=[Standin, StandinProcess])
def held(request: pytest.FixtureRequest) -> Iterator[Controls]:
    with request.param() as started:
        yield started


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        threading.Event().wait(0.01)


def listening(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_members_are_seeded_and_read_back_as_they_are(held: Controls) -> None:
    audience = held.audience()
    audience.add_merge_field(MergeField("POINTS", type="number"))
    audience.seed(MEMBERS)
    views = audience.members()
    assert {key: (v.status, v.merge_fields, v.tags) for key, v in views.items()} == {
        view.email_address.lower(): (view.status, view.merge_fields, view.tags) for view in MEMBERS
    }
    assert views["bob@mail.org"].unsubscribed_by == "self"
    assert audience.member("ANN@mail.org") == MEMBERS[0]
    assert audience.member("nobody@mail.org") is None
    assert (len(audience), len(list(audience.lines()))) == (3, 3)
    assert audience.tags() == {"eu": 1, "loyal": 2}


def test_twenty_thousand_members_go_in_and_out(held: Controls) -> None:
    many = [MemberView(f"m{n}@mail.org", "subscribed", {"FNAME": "x" * 100}) for n in range(20_000)]
    held.audience().seed(many)
    assert held.audience().digest() == digest(many)
    assert len(held.audience().members()) == 20_000


def test_digests_are_equal_when_audiences_are_whatever_the_order(held: Controls) -> None:
    audience = held.audience()
    audience.seed(reversed(MEMBERS))
    assert audience.digest() == digest(MEMBERS)
    assert audience.digest() != digest(MEMBERS[1:])
    assert audience.digest().statuses == {"subscribed": 1, "unsubscribed": 1, "archived": 1}


def test_people_act_by_themselves_and_it_is_remembered(held: Controls) -> None:
    audience = held.audience()
    audience.seed([MemberView(ANN, "subscribed")])
    audience.unsubscribe(ANN)
    audience.set_status(ANN, "pending")
    audience.set_status(ANN, "unsubscribed", by="admin")
    with Caller(held.url) as caller:
        caller.batch({"email_address": ANN, "status": "subscribed"})
    assert [(change.before, change.after, change.via) for change in audience.status_changes()] == [
        ("subscribed", "unsubscribed", "person"),
        ("unsubscribed", "pending", "person"),
        ("pending", "unsubscribed", "person"),
        ("unsubscribed", "subscribed", "api"),
    ]
    assert audience.resubscribed == 1
    assert held.statistics().resubscribed == {LIST_ID: 1}


def test_settings_take_effect_at_once(held: Controls) -> None:
    account, audience = held.account(), held.audience()
    audience.configure(dialect="classic", double_optin=True, name="Weekly")
    audience.refuse_velocity(["eve@mail.org"])
    held.set_answers("brief")
    held.set_clock_offset(86_400)
    with Caller(held.url) as caller:
        assert caller.batch({"email_address": ANN, "status_if_new": "subscribed"}).status_code == 400
        answer = caller.batch(*({"email_address": a, "status": "subscribed"} for a in (ANN, "eve@mail.org")))
        assert set(answer.json()["new_members"][0]) == {"id", "email_address", "status"}
        assert (answer.json()["error_count"], caller.get("")["double_optin"]) == (1, True)
        account.configure(limit=0)
        assert caller.http.get("/3.0/ping").status_code == 429
        account.configure(limit=10)
        number = held.add_fault(Bare(503), times=1)
        held.set_latency((0.05, 0.06))
        started = time.monotonic()
        assert caller.http.get("/3.0/ping").status_code == 503
        assert time.monotonic() - started >= 0.05
    assert held.fault_hits(number) == 1
    assert account.high_water() == 1
    assert account.statistics().statuses == {200: 2, 400: 1, 429: 1, 503: 1}
    assert [call.status for call in account.calls()] == [400, 200, 200, 429, 503]
    assert account.timeline()[-1][1] == account.open == 0
    held.reset_statistics()
    assert held.statistics().calls == 0


def test_accounts_and_audiences_can_be_added_and_taken_away(held: Controls) -> None:
    other = held.add_account("e" * 32 + "-us7")
    second = held.add_audience("second0002", api_key=other.api_key)
    second.seed([MemberView(ANN, "subscribed")])
    assert len(second) == 1
    second.delete_merge_field("PHONE")
    with Caller(held.url, api_key=other.api_key, list_id=second.id) as caller:
        assert caller.get("/merge-fields")["total_items"] == 3
        second.delete()
        assert caller.http.get(caller.list).status_code == 404
    with pytest.raises(KeyError, match="second0002"):
        len(second)
    with pytest.raises(KeyError):
        held.audience().set_status("nobody@mail.org", "cleaned")


def test_control_is_by_plain_http_too_and_counts_as_no_call(held: Controls) -> None:
    held.audience().seed(MEMBERS)
    base = held.url + "/_standin"
    digested = httpx.get(f"{base}/lists/{LIST_ID}/digest").json()
    assert (digested["count"], digested["fingerprint"]) == (3, digest(MEMBERS).fingerprint)
    dumped = httpx.get(f"{base}/lists/{LIST_ID}/dump")
    assert dumped.headers["content-type"] == "application/x-ndjson"
    assert len(dumped.text.splitlines()) == 3
    assert httpx.post(f"{base}/do/set_latency", json={"seconds": 0.01}).json() is None
    assert httpx.post(f"{base}/do/set_latency", json={"seconds": "long"}).status_code == 400
    assert httpx.post(f"{base}/do/set_latency", json={"minutes": 1}).status_code == 404
    assert httpx.post(f"{base}/do/_account", json={"api_key": API_KEY}).status_code == 404
    assert httpx.get(f"{base}/nothing").status_code == 404
    assert httpx.get(f"{base}/statistics").json()["calls"] == 0


def test_stopping_ends_open_calls_and_leaves_nothing(held: Controls) -> None:
    assert isinstance(held, Standin | StandinProcess)
    held.add_fault(Delay(60))
    url, failures = held.url, []

    def call() -> None:
        try:
            httpx.get(f"{url}/3.0/ping", auth=("x", API_KEY), timeout=30)
        except httpx.TransportError as error:
            failures.append(error)

    calling = threading.Thread(target=call)
    calling.start()
    wait_until(lambda: held.account().open == 1, "the call is open")
    held.stop()
    held.stop()
    calling.join(5)
    assert len(failures) == 1
    assert not listening(url)
    assert "standin" not in [thread.name for thread in threading.enumerate()]


def test_a_stand_in_in_this_process_can_be_asked_when_it_has_stopped() -> None:
    with Standin() as standin:
        standin.audience().seed(MEMBERS)
    assert standin.audience().digest() == digest(MEMBERS)


def test_a_taken_port_is_told_at_once() -> None:
    with Standin() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Standin(port=port).start()
        with pytest.raises(RuntimeError, match="did not start"):
            StandinProcess(port=port).start()


def test_a_stand_in_of_its_own_ends_with_its_parent_however_that_ends() -> None:
    program = (
        "from tests.mailchimp_standin import StandinProcess; import time\n"
        "standin = StandinProcess().start(); print(standin.url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().decode().strip()
        assert listening(url)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not listening(url), "the stand-in has ended")


def test_it_can_be_started_by_hand_and_ended_by_a_signal() -> None:
    command = [
        *(sys.executable, "-m", "tests.mailchimp_standin", "--port", "0", "--latency", "0.0", "0.01"),
        *("--dialect", "classic", "--limit", "3", "--answers", "brief"),
        *("--api-key", "key-us9", "--audience", "mine000001"),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        told = httpx.Response(200, content=process.stdout.readline()).json()
        assert (told["api_key"], told["audience"]) == ("key-us9", "mine000001")
        with Caller(told["url"], api_key="key-us9", list_id="mine000001") as caller:
            assert caller.batch({"email_address": ANN, "status_if_new": "subscribed"}).status_code == 400
            assert caller.batch({"email_address": ANN, "status": "subscribed"}).json()["total_created"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
