"""A refresh that is expected and does not come: told of once, then silence until one came."""

from datetime import timedelta

import pytest

from producer.application import Producer
from producer.refreshes import Refreshes
from tests.clock.installation import declare, export
from worker.exports.channels import Slack
from worker.exports.runs import Trigger
from worker.state.outbox import Happening

HOUR = timedelta(hours=1)


@pytest.fixture
def refreshes(producer: Producer) -> Refreshes:
    declare(producer, export(expect_refresh="26h"), export("other"))
    producer.catalog.save(notifications=[Slack(name="team", type="slack", url="env:URL")])
    return Refreshes(producer)


def refresh(producer: Producer, refresh_id: str, name: str = "weekly") -> None:
    producer.runs.create(
        f"run-{refresh_id}", export=name, trigger=Trigger("refresh", refresh_id), segments=["loyal"]
    )


def late(producer: Producer) -> list[Happening]:
    return [each for each in producer.outbox.happenings() if each.event == "late"]


def test_what_never_came_is_told_of_once(producer: Producer, refreshes: Refreshes) -> None:
    now = producer.timetable.now()
    refreshes.look(now)
    refreshes.look(now + 25 * HOUR)
    assert late(producer) == []
    for hours in range(26, 80):
        refreshes.look(now + hours * HOUR)
    (happening,) = late(producer)
    assert happening.subject == f"weekly@{round(now.timestamp() * 1000)}"


def test_nobody_waits_for_a_refresh_of_what_does_not_run(producer: Producer, refreshes: Refreshes) -> None:
    now = producer.timetable.now()
    refreshes.look(now)
    declare(producer, export(expect_refresh="26h", enabled=False))
    refreshes.look(now + 30 * HOUR)
    declare(producer, export(expect_refresh="26h"))
    refreshes.look(now + 40 * HOUR)
    assert late(producer) == []


def test_after_a_refresh_a_new_period_begins(producer: Producer, refreshes: Refreshes) -> None:
    now = producer.timetable.now()
    refreshes.look(now - 100 * HOUR)
    refreshes.look(now)
    assert len(late(producer)) == 1
    refresh(producer, "r1")
    refreshes.look(now + 25 * HOUR)
    assert len(late(producer)) == 1
    for hours in (27, 28, 60):
        refreshes.look(now + hours * HOUR)
    assert len(late(producer)) == 2


def test_the_same_refresh_again_is_no_sign_of_life(producer: Producer) -> None:
    refresh(producer, "r1")
    came = producer.timetable.refreshed()["weekly"]
    producer.client.hset("se:refreshed", "weekly", came - 1000)
    refresh(producer, "r1")
    assert producer.timetable.refreshed()["weekly"] == came - 1000


def test_a_run_on_demand_is_no_refresh(producer: Producer, refreshes: Refreshes) -> None:
    now = producer.timetable.now()
    refreshes.look(now - 100 * HOUR)
    producer.runs.create("r1", export="weekly", trigger=Trigger("manual"))
    refreshes.look(now)
    assert len(late(producer)) == 1


def test_two_clocks_tell_once(
    producer: Producer, refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = producer.timetable.now()
    refreshes.look(now)
    noted = producer.timetable.noted("expected")
    refreshes.look(now + 30 * HOUR)
    monkeypatch.setattr(producer.timetable, "noted", lambda _place: noted)
    Refreshes(producer).look(now + 30 * HOUR)
    assert len(late(producer)) == 1


def test_an_export_that_expects_nothing_any_more_is_forgotten(
    producer: Producer, refreshes: Refreshes
) -> None:
    refreshes.look()
    declare(producer, export())
    refresh(producer, "r1")
    producer.client.hset("se:refreshed", "removed-export", 1)
    refreshes.look()
    assert producer.timetable.noted("expected") == {}
    assert set(producer.timetable.refreshed()) == {"weekly"}
