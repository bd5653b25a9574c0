"""Follows runs, a look every quarter of a second, until none of them goes on by itself."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, Self

import redis

from producer.summary import duration
from worker.errors import Unavailable
from worker.exports.outcomes import Outcome
from worker.exports.runs import HELD, RunDocument
from worker.state.runs import Runs
from worker.state.slots import ConnectionState, Slots

NO_WORKERS: Final = (
    "No worker is running: start one with `dramatiq worker.main:boot`, or all processes with `honcho start`."
)

_POLL: Final = 0.25
_RATE_OVER: Final = 15.0
_RATE_FROM: Final = 1.0
_WORKERS_EVERY: Final = 5.0
_OUTAGE: Final = 60.0

_ANSWERED: Final = (Outcome.CREATED, Outcome.UPDATED, Outcome.REJECTED)


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment; `rate` is profiles a second, lately or, once it has ended, over all of it."""

    run: RunDocument
    calls: ConnectionState | None = None
    rate: float | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.run.ended or self.run.status == HELD

    @property
    def total(self) -> int:
        """Profiles read; 0 before the first pass of the plan is over."""
        return self.run.profiles["read"]

    @property
    def done(self) -> int:
        """Profiles whose outcome is known."""
        return sum(self.run.profiles[outcome] for outcome in Outcome)

    @property
    def left(self) -> timedelta | None:
        """How long it will take at this rate; None if that can't be told."""
        if self.over or not self.rate:
            return None
        return timedelta(seconds=(self.total - self.done) / self.rate)

    @property
    def stage(self) -> str:
        """The status, or what keeps the run from going on."""
        if self.over or self.calls is None:
            return self.run.status
        if self.run.error:
            return "stopping"
        if self.calls.paused:
            return "paused"
        return "cooling" if self.calls.cooling_ms else self.run.status


class Screen(Protocol):
    """Where progress is shown."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End, and leave the terminal as it was."""

    def show(self, looks: Sequence[Look]) -> None:
        """Show how the runs stand."""

    def say(self, sentence: str) -> None:
        """Tell something beside it."""


class Source(Protocol):
    """Where a follower looks."""

    def document(self, run_id: str) -> RunDocument:
        """How a run stands."""

    def connection(self, run: RunDocument) -> str:
        """The connection that a run goes over; '' if that is not known."""

    def state(self, connection: str) -> ConnectionState | None:
        """How a connection stands; None if that can't be seen."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The source of who is in front of the installation."""

    runs: Runs
    slots: Slots

    def document(self, run_id: str) -> RunDocument:
        """How a run stands."""
        return self.runs.document(run_id)

    def connection(self, run: RunDocument) -> str:
        """The connection that a run was planned for."""
        facts = self.runs.facts(run.run_id)
        return facts.connection if facts else ""

    def state(self, connection: str) -> ConnectionState | None:
        """How a connection stands."""
        return self.slots.state(connection)


class Follower:
    """Looks at runs again and again, `every` so many seconds, and keeps what their rates need."""

    def __init__(self, source: Source, run_ids: Sequence[str], *, every: float = _POLL) -> None:
        self.every = every
        self._source = source
        self._looks: dict[str, Look | None] = dict.fromkeys(run_ids)
        self._connections: dict[str, str] = {}
        self._rates = {run_id: Speedometer() for run_id in run_ids}

    def look(self, now: float) -> list[Look]:
        """How the runs stand; `now` is a clock of seconds that only goes forward."""
        states: dict[str, ConnectionState | None] = {}
        looks = []
        for run_id, before in self._looks.items():
            look = before if before and before.over else self._look(run_id, now, states)
            self._looks[run_id] = look
            looks.append(look)
        return looks

    def _look(self, run_id: str, now: float, states: dict[str, ConnectionState | None]) -> Look:
        run = self._source.document(run_id)
        if run.ended:
            return Look(run, rate=_overall(run))
        if run.status != "uploading":
            return Look(run)
        connection = self._connection(run)
        if connection not in states:
            states[connection] = self._source.state(connection)
        return Look(run, states[connection], self._rates[run_id].read(now, _answered(run)))

    def _connection(self, run: RunDocument) -> str:
        if run.run_id not in self._connections:
            self._connections[run.run_id] = self._source.connection(run)
        return self._connections[run.run_id]


class Speedometer:
    """How fast a count grew over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def read(self, now: float, count: int) -> float | None:
        """The rate a second with this new sample; None while too little is known."""
        samples = self._samples
        if samples and count < samples[-1][1]:  # planned anew, counted anew
            samples.clear()
        samples.append((now, count))
        while len(samples) > 1 and now - samples[1][0] >= _RATE_OVER:
            samples.popleft()
        since, before = samples[0]
        return (count - before) / (now - since) if now - since >= _RATE_FROM else None


def follow(
    follower: Follower,
    screen: Screen,
    idle: Callable[[], bool],
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[RunDocument]:
    """Show the runs until each is over; a server that restarts is waited for.

    `idle` tells whether no worker is there.

    Raises:
        UsageError: one of the runs is not remembered.
        redis.RedisError, Unavailable: the server was gone for longer than a minute.
    """
    answered = asked = clock()
    with screen:
        while True:
            try:
                looks = follower.look(clock())
                screen.show(looks)
                if all(look.over for look in looks):
                    return [look.run for look in looks]
                if clock() - asked >= _WORKERS_EVERY:
                    _look_for_workers(idle, screen)
                    asked = clock()
                answered = clock()
            except (redis.ConnectionError, redis.TimeoutError, Unavailable) as error:
                if clock() - answered > _OUTAGE:
                    raise
                screen.say(_gone(error))
            pause(follower.every)


def _gone(error: Exception) -> str:
    if isinstance(error, Unavailable):
        return "The API does not answer; runs go on all the same."
    return "Redis does not answer; runs go on when it is back."


def _look_for_workers(idle: Callable[[], bool], screen: Screen) -> None:
    if idle():
        screen.say(NO_WORKERS)


def _answered(run: RunDocument) -> int:
    return sum(run.profiles[outcome] for outcome in _ANSWERED)


def _overall(run: RunDocument) -> float | None:
    took = duration(run)
    return _answered(run) / took.total_seconds() if took else None
