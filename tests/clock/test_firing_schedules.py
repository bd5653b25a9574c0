"""Schedules become runs: each due moment one, whatever happens to the clocks."""

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from producer.application import Producer
from producer.events import run_all
from producer.schedules import Schedules, run_id_of
from tests.clock.conftest import SilentBell
from tests.clock.installation import command, declare, export, python
from tests.system import wait_until
from worker.exports.runs import RunDocument, Trigger
from worker.state.timetable import Fired

START = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY_MINUTE = "* * * * *"


@pytest.fixture
def schedules(producer: Producer) -> Schedules:
    return Schedules(producer)


def runs_of(producer: Producer, name: str = "weekly") -> list[RunDocument]:
    return producer.runs.recent(export=name, most=10_000)


def test_a_new_line_counts_from_now_and_fires_when_it_is_due(
    producer: Producer, schedules: Schedules, bell: SilentBell
) -> None:
    declare(producer, export(run="0 6 * * *", time_zone="Europe/Berlin"))
    schedules.look(START)
    assert runs_of(producer) == []
    schedules.look(datetime(2026, 11, 25, 4, 59, 59, tzinfo=UTC))
    assert runs_of(producer) == []
    schedules.look(datetime(2026, 11, 25, 5, 0, 1, tzinfo=UTC))
    schedules.look(datetime(2026, 11, 25, 5, 0, 2, tzinfo=UTC))
    (run,) = runs_of(producer)
    assert (run.status, run.trigger) == ("queued", Trigger("schedule"))
    assert run.run_id.startswith("20261125-050000-")
    assert [each.run_id for each in bell.rung] == [run.run_id]


def test_what_was_missed_runs_once_as_the_newest(producer: Producer, schedules: Schedules) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    schedules.look(START + timedelta(days=3))
    schedules.look(START + timedelta(days=3, seconds=1))
    (run,) = runs_of(producer)
    assert run.run_id == run_id_of("weekly", datetime(2026, 11, 27, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("changed", [{"run": "30 * * * *"}, {"run": EVERY_MINUTE, "time_zone": "Asia/Tokyo"}])
def test_a_changed_line_counts_from_now(
    producer: Producer, schedules: Schedules, changed: dict[str, str]
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    declare(producer, export(**changed))
    schedules.look(START + timedelta(hours=5))
    assert runs_of(producer) == []
    schedules.look(START + timedelta(hours=6))
    assert len(runs_of(producer)) == 1


@pytest.mark.parametrize("inactive", [{"enabled": False}, {"connection": None}])
def test_who_does_not_run_fires_nothing_and_counts_anew_later(
    producer: Producer, schedules: Schedules, inactive: dict[str, Any]
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    declare(producer, export(run=EVERY_MINUTE, **inactive))
    schedules.look(START + timedelta(hours=1))
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START + timedelta(hours=2))
    assert runs_of(producer) == []
    schedules.look(START + timedelta(hours=2) + MINUTE)
    assert len(runs_of(producer)) == 1


def test_running_all_takes_those_with_a_schedule_too(producer: Producer) -> None:
    declare(producer, export("daily", run=EVERY_MINUTE), export("by-hand", run="manual"), export("weekly"))
    assert [run.export for run in run_all(producer)] == ["daily", "weekly"]


@pytest.mark.parametrize("way", ["on_refresh", "manual"])
def test_without_a_line_nothing_fires_and_nothing_is_kept(
    producer: Producer, schedules: Schedules, way: str
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    declare(producer, export(run=way))
    schedules.look(START + timedelta(hours=5))
    assert (runs_of(producer), producer.timetable.noted("schedules")) == ([], {})


def test_each_export_has_its_own(producer: Producer, schedules: Schedules) -> None:
    declare(producer, export("often", run="*/10 * * * *"), export("seldom", run="0 0 1 1 *"))
    for minute in range(31):
        schedules.look(START + minute * MINUTE)
    assert (len(runs_of(producer, "often")), len(runs_of(producer, "seldom"))) == (3, 0)


def test_an_export_whose_run_is_active_gets_a_successor(producer: Producer, schedules: Schedules) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    for minute in range(4):
        schedules.look(START + minute * MINUTE)
    assert [run.status for run in reversed(runs_of(producer))] == ["queued", "skipped", "queued"]


def test_a_definition_that_only_a_newer_version_can_read_keeps_its_place(
    producer: Producer, schedules: Schedules
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    before = producer.timetable.noted("schedules")
    producer.client.hset("se:catalog:exports", "weekly", '{"form": "new"}')
    schedules.look(START + timedelta(hours=1))
    assert producer.timetable.noted("schedules") == before


def test_the_time_that_counts_is_that_of_redis(producer: Producer, schedules: Schedules) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look()
    seconds, _ = producer.client.time()
    assert abs(producer.timetable.now().timestamp() - int(seconds)) <= 2
    (noted,) = producer.timetable.noted("schedules").values()
    assert f'"last":{seconds}'[:16] in noted


RACE = """
import sys
from datetime import datetime, timedelta
from producer.application import Producer
from producer.schedules import Schedules

schedules = Schedules(Producer())
now = datetime.fromisoformat(sys.argv[1])
for _ in range(int(sys.argv[2])):
    schedules.look(now)
    now += timedelta(minutes=1)
"""


def test_two_clocks_that_race_fire_each_moment_once(producer: Producer, environment: dict[str, str]) -> None:
    """Three hundred due moments, two real processes: three hundred runs."""
    declare(producer, export(run=EVERY_MINUTE))
    Schedules(producer).look(START)
    racers = [python(RACE, environment, (START + MINUTE).isoformat(), "300") for _ in range(2)]
    for racer in racers:
        _, error = racer.communicate(timeout=100)
        assert racer.returncode == 0, error.decode()
    fired = [run.run_id for run in runs_of(producer)]
    moments = [(START + (number + 1) * MINUTE).replace(second=0) for number in range(300)]
    assert sorted(fired) == sorted(run_id_of("weekly", moment) for moment in moments)
    rung = producer.client.llen("segment-export-queue:segment-export")
    assert rung == 1, "the first run alone was rung for; the others wait behind it"


KILLED = """
import os, signal, sys
from datetime import datetime
from producer.application import Producer
from producer.schedules import Schedules
from worker.state.timetable import Timetable

Timetable.note = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Schedules(Producer()).look(datetime.fromisoformat(sys.argv[1]))
"""


def test_a_clock_killed_between_the_run_and_its_note_fires_no_second_time(
    producer: Producer, schedules: Schedules, environment: dict[str, str]
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    schedules.look(START)
    killed = python(KILLED, environment, (START + MINUTE).isoformat())
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert len(runs_of(producer)) == 1
    schedules.look(START + MINUTE)
    assert len(runs_of(producer)) == 1
    schedules.look(START + 2 * MINUTE)
    assert len(runs_of(producer)) == 2


def test_a_clock_process_fires_what_is_due_and_ends_gently(
    producer: Producer, environment: dict[str, str]
) -> None:
    declare(producer, export(run=EVERY_MINUTE))
    hour_ago = round((producer.timetable.now() - timedelta(hours=1)).timestamp() * 1000)
    producer.timetable.note("schedules", "weekly", "", Fired(EVERY_MINUTE, "UTC", hour_ago))
    clock = command(environment, "clock")
    try:
        wait_until(lambda: len(runs_of(producer)) >= 1, "the clock has fired")
        wait_until(lambda: producer.clocks.alive() == 1, "the clock is seen")
        clock.terminate()
        _, told = clock.communicate(timeout=20)
    finally:
        clock.kill()
    assert clock.returncode == 0
    assert b'"schedule.fired"' in told
    assert producer.clocks.alive() == 0
