"""From the end of a run to the channels: nothing lost, nothing sent to whom it does not concern."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.application import Producer
from producer.notifications.backoff import TRIES, wait
from producer.notifications.dispatch import Dispatcher
from tests.clock.installation import declare, export, python
from tests.notifications.far_sides import Receiver, mailbox, receiver
from tests.system import wait_until
from worker.exports.channels import Email, Notification, Slack, Webhook
from worker.exports.runs import Trigger
from worker.state import keys
from worker.state.outbox import Happening

MANUAL = Trigger("manual")


@pytest.fixture
def far() -> Iterator[Receiver]:
    with receiver() as far:
        yield far


@pytest.fixture
def known(producer: Producer, far: Receiver, monkeypatch: pytest.MonkeyPatch) -> Producer:
    """A producer with an export and a channel."""
    monkeypatch.setenv("TEAM_URL", far.url)
    declare(producer, export(), export("other"))
    save(producer, slack())
    return producer


def slack(name: str = "team", **more: object) -> Slack:
    return Slack.model_validate({"name": name, "type": "slack", "url": "env:TEAM_URL", **more})


def save(producer: Producer, *channels: Notification) -> None:
    producer.catalog.save(notifications=channels)


@pytest.fixture
def look(known: Producer) -> Iterator[Callable[[], None]]:
    """A look of a clock's, and the end of what it began."""
    dispatchers: list[Dispatcher] = []

    def look() -> None:
        dispatcher = Dispatcher(known)
        dispatchers.append(dispatcher)
        dispatcher.look()
        dispatcher.close()

    yield look
    for dispatcher in dispatchers:
        dispatcher.close()


def end(producer: Producer, run_id: str, status: str = "failed", name: str = "weekly") -> None:
    producer.runs.create(run_id, export=name, trigger=MANUAL)
    claim = producer.runs.claim_plan(run_id, tries=3)
    assert claim is not None
    producer.runs.abort(claim, status=status, sentence="The sources lack columns of the export: first_name.")


def hold(producer: Producer, run_id: str) -> None:
    producer.runs.create(run_id, export="weekly", trigger=MANUAL)
    claim = producer.runs.claim_plan(run_id, tries=3)
    assert claim is not None
    assert producer.runs.hold(claim, "This run would take out 1,990 of 2,000 members.")


def texts(far: Receiver) -> list[str]:
    return [json.loads(each.body)["text"] for each in far.received]


def test_a_run_that_failed_is_told_of_once(known: Producer, far: Receiver, look: Callable[[], None]) -> None:
    end(known, "r1")
    look()
    look()
    (text,) = texts(far)
    assert text.splitlines() == [
        "*weekly: ended as failed*",
        "The sources lack columns of the export: first_name.",
        "segment-export status r1",
    ]
    assert known.outbox.waiting() == {}


def test_a_link_leads_to_the_run_where_people_reach_it(
    known: Producer, far: Receiver, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_PUBLIC_URL", "https://exports.example.com/")
    known._settings = None
    known.__dict__.pop("settings", None)
    end(known, "r1")
    look()
    assert texts(far)[0].endswith("\nhttps://exports.example.com/v1/runs/r1")


def test_a_held_run_is_told_of_with_its_reason_whatever_became_of_it(
    known: Producer, far: Receiver, look: Callable[[], None]
) -> None:
    hold(known, "r1")
    known.runs.approve("r1")
    look()
    (text,) = texts(far)
    assert text.splitlines()[:2] == ["*weekly: held*", "This run would take out 1,990 of 2,000 members."]


def test_a_channel_is_told_what_it_asked_for(
    known: Producer, far: Receiver, look: Callable[[], None]
) -> None:
    save(known, slack(on=("failed",), exports=("weekly",)), slack("all", on="every"), slack("none", on=()))
    end(known, "r1")
    end(known, "r2", "canceled")
    end(known, "r3", name="other")
    for _ in range(3):
        look()
    assert len(far.received) == 1 + 3
    assert sum("ended as canceled" in text for text in texts(far)) == 1


def test_without_channels_nothing_is_kept(known: Producer) -> None:
    known.client.delete(keys.CATALOG_NOTIFICATIONS)
    end(known, "r1")
    assert known.client.exists(keys.OUTBOX) == 0


def test_everything_that_is_kept_is_mortal(known: Producer, far: Receiver, look: Callable[[], None]) -> None:
    far.answers += [500]
    end(known, "r1")
    assert known.client.ttl(keys.OUTBOX) > 0
    look()
    assert known.client.ttl(keys.DELIVERIES) > 0
    assert known.client.ttl(f"{keys.DELIVERIES}:tries") > 0


def again_at_once(producer: Producer) -> None:
    for text in cast("list[str]", producer.client.zrange(keys.DELIVERIES, 0, -1)):
        producer.client.zadd(keys.DELIVERIES, {text: 0})


def test_what_did_not_arrive_is_sent_again_with_the_same_id(
    known: Producer, far: Receiver, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "c2VjcmV0" * 6)
    values = {"type": "webhook", "url": "env:TEAM_URL", "secret": "env:SECRET", "name": "signed"}
    known.client.delete(keys.CATALOG_NOTIFICATIONS)
    save(known, Webhook.model_validate(values))
    far.answers += [503, 200]
    end(known, "r1")
    look()
    assert known.outbox.waiting() == {"signed": 1}
    look()
    assert len(far.received) == 1, "it waits"
    again_at_once(known)
    look()
    assert [each.headers["webhook-id"] for each in far.received] == ["r1.failed.signed"] * 2
    assert known.outbox.waiting() == {}


def test_what_never_arrives_is_given_up_and_shown(
    known: Producer, far: Receiver, look: Callable[[], None]
) -> None:
    far.answers += [500] * 100
    end(known, "r1")
    for _ in range(TRIES + 2):
        look()
        again_at_once(known)
    assert len(far.received) == TRIES
    (lost,) = known.outbox.undelivered()
    assert (lost.channel, lost.happening) == ("team", Happening("failed", "r1"))
    assert lost.reason == "Notification team was not told: its address answered 500."
    assert known.outbox.waiting() == {}


def test_a_channel_that_was_removed_keeps_nothing(
    known: Producer, far: Receiver, look: Callable[[], None]
) -> None:
    end(known, "r1")
    known.outbox.fan_out(Happening("failed", "r1"), ["team", "gone"])
    look()
    assert len(far.received) == 1
    assert [each.channel for each in known.outbox.undelivered()] == ["gone"]


def test_a_slow_channel_keeps_no_other_waiting(known: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    with mailbox() as slow, receiver() as quick:
        slow.drips = True
        monkeypatch.setenv("TEAM_URL", quick.url)
        values = {"type": "email", "host": "127.0.0.1", "port": slow.port, "encryption": "none"}
        addresses = {"sender": "a@example.com", "to": ("b@example.com",), "name": "slow"}
        save(known, Email.model_validate(values | addresses))
        dispatcher = Dispatcher(known)
        for number in range(3):
            end(known, f"r{number}")

        def told() -> bool:
            dispatcher.look()
            return len(quick.received) == 3

        wait_until(told, "the quick one was told of all")
        assert known.outbox.waiting() == {"slow": 3}
        assert slow.messages == []
    dispatcher.close()


CLOCK = """
import sys, time
from producer.application import Producer
from producer.notifications.dispatch import Dispatcher

producer = Producer()
dispatcher = Dispatcher(producer)
while producer.outbox.happenings() or producer.outbox.waiting():
    dispatcher.look()
    time.sleep(0.01)
dispatcher.close()
"""


def test_two_clocks_send_each_notification_once(
    known: Producer, far: Receiver, environment: dict[str, str]
) -> None:
    for number in range(60):
        end(known, f"r{number}")
    clocks = [python(CLOCK, environment | {"TEAM_URL": far.url}) for _ in range(2)]
    for clock in clocks:
        _, error = clock.communicate(timeout=100)
        assert clock.returncode == 0, error.decode()
    assert sorted(text.rpartition(" ")[2] for text in texts(far)) == sorted(f"r{n}" for n in range(60))


KILLED_WHILE_ENDING = """
import os, signal
from producer.application import Producer
from worker.exports.runs import Trigger

runs = Producer().runs
runs.create("r1", export="weekly", trigger=Trigger("manual"))
claim = runs.claim_plan("r1", tries=3)
runs.abort(claim, status="failed", sentence="The disk is gone.")
os.kill(os.getpid(), signal.SIGKILL)
"""

KILLED_WHILE_SENDING = """
import os, signal
from producer.application import Producer
from producer.notifications.dispatch import Dispatcher
from producer.notifications.sending import Sender

Sender.send = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Dispatcher(Producer()).look()
"""


def test_whoever_is_killed_loses_nothing(
    known: Producer, far: Receiver, environment: dict[str, str], look: Callable[[], None]
) -> None:
    """Killed right after the run has ended, and a clock killed while it sends."""
    for code in (KILLED_WHILE_ENDING, KILLED_WHILE_SENDING):
        killed = python(code, environment | {"TEAM_URL": far.url})
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    assert known.outbox.waiting() == {"team": 1}
    look()
    assert far.received == [], "the lease of the killed one holds it"
    again_at_once(known)
    look()
    assert "The disk is gone." in texts(far)[0]


@given(tries=st.integers(1, 40), chance=st.floats(0, 1))
def test_the_wait_grows_is_bounded_and_ends(tries: int, chance: float) -> None:
    delay = wait(tries, chance)
    if tries >= TRIES:
        assert delay is None
        return
    assert delay is not None
    assert timedelta(seconds=5) <= delay <= timedelta(hours=1)
    later = wait(tries + 1, chance)
    assert later is None or later >= delay
