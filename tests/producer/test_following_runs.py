from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Self

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from producer.application import Producer
from producer.desk import Desk
from producer.events import refresh_finished, run_export
from producer.following import NO_WORKERS, Follower, Ledger, Look, Speedometer, follow
from tests.producer.conftest import Work
from worker.errors import UsageError


class Notes:
    """A screen that only remembers."""

    def __init__(self) -> None:
        self.looks: list[Sequence[Look]] = []
        self.said: list[str] = []
        self.open = False

    def __enter__(self) -> Self:
        self.open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False

    def show(self, looks: Sequence[Look]) -> None:
        self.looks.append(looks)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    @property
    def stages(self) -> list[str]:
        return [looks[0].stage for looks in self.looks]


class Steps:
    """A pause in which the next thing happens, and the clock that goes with it."""

    def __init__(self, *steps: Callable[[], object], takes: float = 0.25) -> None:
        self._steps: Iterator[Callable[[], object]] = iter(steps)
        self._takes = takes
        self.now = 100.0

    def pause(self, _seconds: float) -> None:
        self.now += self._takes
        next(self._steps)()

    def clock(self) -> float:
        return self.now


def nothing() -> None:
    """Nothing happens."""


def watch(producer: Producer, run_ids: Sequence[str], steps: Steps, screen: Notes) -> list[str]:
    follower = Follower(Ledger(producer.runs, producer.slots), run_ids)
    idle = Desk.local(producer).idle
    ended = follow(follower, screen, idle, pause=steps.pause, clock=steps.clock)
    return [run.status for run in ended]


@pytest.fixture
def run_id(catalog: Producer) -> str:
    return run_export(catalog, "weekly").run_id


def test_a_run_is_followed_through_its_states_to_its_end(work: Work, run_id: str) -> None:
    screen = Notes()
    steps = Steps(
        lambda: work.plan(run_id, read=300, invalid=100),
        lambda: work.deliver(run_id, 1),
        lambda: work.deliver(run_id, 1, rejected=1),
        lambda: work.finish(run_id),
    )
    assert watch(work.producer, [run_id], steps, screen) == ["partial"]
    assert screen.stages == ["queued", "uploading", "uploading", "finishing", "partial"]
    assert [looks[0].done for looks in screen.looks] == [0, 100, 200, 300, 300]
    assert [looks[0].calls.open for looks in screen.looks if looks[0].calls] == [2, 1]
    assert not screen.open


def test_rate_and_time_left_come_from_the_calls_and_not_from_what_was_not_sent(
    work: Work, run_id: str
) -> None:
    screen = Notes()
    steps = Steps(
        lambda: work.plan(run_id, read=1000, invalid=500),
        *[lambda: work.deliver(run_id, 1)] * 5,
        lambda: work.finish(run_id),
        takes=2.0,
    )
    watch(work.producer, [run_id], steps, screen)
    assert [looks[0].rate for looks in screen.looks[:6]] == [None, None, 50.0, 50.0, 50.0, 50.0]
    assert [looks[0].left for looks in screen.looks[2:6]] == [
        timedelta(seconds=8 - 2 * at) for at in range(4)
    ]
    assert screen.looks[-1][0].left is None


def test_all_runs_are_followed_until_the_last_has_ended(work: Work) -> None:
    both, weekly = (run.run_id for run in refresh_finished(work.producer, "r1").runs)
    steps = Steps(lambda: work.do(weekly), lambda: work.do(both))
    assert watch(work.producer, [both, weekly], steps, Notes()) == ["successful", "successful"]


def test_a_held_run_is_not_waited_for(work: Work, run_id: str) -> None:
    work.producer.client.hset(f"se:run:{run_id}", "status", "held")
    assert watch(work.producer, [run_id], Steps(), Notes()) == ["held"]


def test_it_says_when_no_worker_is_running_but_not_at_once(work: Work, run_id: str) -> None:
    screen = Notes()
    said = []
    steps = Steps(
        lambda: said.append(len(screen.said)),
        lambda: said.append(len(screen.said)),
        work.producer.presence.seen,
        lambda: said.append(len(screen.said)),
        nothing,
        lambda: work.do(run_id),
        takes=2.6,
    )
    watch(work.producer, [run_id], steps, screen)
    assert said == [0, 0, 1]
    assert screen.said == [NO_WORKERS]


def test_a_pause_of_the_connection_is_told_instead_of_the_status(work: Work, run_id: str) -> None:
    slots, screen = work.producer.slots, Notes()
    steps = Steps(
        lambda: work.plan(run_id, read=200),
        lambda: slots.pause("newsletter"),
        lambda: slots.resume("newsletter"),
        lambda: work.deliver(run_id, 2),
        lambda: work.finish(run_id),
    )
    watch(work.producer, [run_id], steps, screen)
    assert screen.stages == ["queued", "uploading", "paused", "uploading", "finishing", "successful"]


def test_a_canceled_run_is_followed_until_its_open_calls_have_ended(work: Work, run_id: str) -> None:
    screen = Notes()
    work.plan(run_id, read=100)
    lease = work.begin(run_id)
    steps = Steps(
        lambda: work.producer.runs.stop(run_id, status="canceled", sentence="Canceled by an operator."),
        lambda: work.settle(lease, 100),
        lambda: work.finish(run_id),
    )
    assert watch(work.producer, [run_id], steps, screen) == ["canceled"]
    assert screen.stages == ["uploading", "stopping", "finishing", "canceled"]


def test_a_server_that_restarts_is_waited_for(
    work: Work, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Notes()

    def gone(_run_id: str) -> None:
        raise redis.ConnectionError

    def back() -> None:
        monkeypatch.undo()
        work.do(run_id)

    steps = Steps(lambda: monkeypatch.setattr(work.producer.runs, "document", gone), nothing, back, takes=20)
    assert watch(work.producer, [run_id], steps, screen) == ["successful"]
    assert "Redis does not answer; runs go on when it is back." in screen.said


def test_a_server_that_stays_away_is_given_up(
    work: Work, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_run_id: str) -> None:
        raise redis.TimeoutError

    monkeypatch.setattr(work.producer.runs, "document", gone)
    screen = Notes()
    with pytest.raises(redis.TimeoutError):
        watch(work.producer, [run_id], Steps(*[nothing] * 9, takes=10), screen)
    assert not screen.open


def test_a_run_that_the_server_forgot_is_told(work: Work, run_id: str) -> None:
    with pytest.raises(UsageError, match=f"There is no run {run_id}"):
        watch(work.producer, [run_id], Steps(work.producer.client.flushall), Notes())


def test_a_rate_looks_back_fifteen_seconds_at_most() -> None:
    speedometer = Speedometer()
    rates = [speedometer.read(at, at * 1000 if at <= 20 else 20_000) for at in range(41)]
    assert rates[0] is None
    assert rates[20] == 1000
    assert rates[40] == 0


def test_a_count_that_begins_anew_begins_a_new_rate() -> None:
    speedometer = Speedometer()
    for at in range(5):
        speedometer.read(at, at * 100)
    assert speedometer.read(5, 0) is None
    assert speedometer.read(7, 20) == 10


@given(st.lists(st.tuples(st.floats(0.01, 30), st.integers(0, 10_000)), min_size=1, max_size=60))
def test_a_rate_is_never_more_than_the_fastest_growth_nor_less_than_none(
    steps: list[tuple[float, int]],
) -> None:
    speedometer, now, count = Speedometer(), 0.0, 0
    speedometer.read(now, count)
    for seconds, more in steps:
        now, count = now + seconds, count + more
        rate = speedometer.read(now, count)
        fastest = max(more / seconds for seconds, more in steps)
        assert rate is None or 0 <= rate <= fastest * 1.001
