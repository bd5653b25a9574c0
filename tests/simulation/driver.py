"""Drives the real jobs on one thread, by a clock of their own, in whatever weather.

Every look outwards of a worker (a command to Redis, an access to the store, a call to Mailchimp) can be the
moment at which it is killed, or at which another one goes on instead. The same seeds give the same story.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat
from math import inf
from types import TracebackType
from typing import Any, Final, Self
from unittest import mock

from pydantic import SecretStr

from tests.mailchimp_standin import Standin
from tests.simulation.clock import Clock, live_by
from tests.simulation.outside import LEASE, Clocked, Cupboard, Killed
from tests.simulation.workers import Worker
from worker.exports import removals, staging
from worker.exports.runs import RunDocument, Trigger
from worker.jobs import memory, stager
from worker.jobs.stager import UPLOADS
from worker.settings import Settings
from worker.state.catalog import Catalog
from worker.state.client import connect
from worker.state.runs import Runs
from worker.state.scripts import Bell, Policy
from worker.store.snapshots import SnapshotWriter

_RENEWS: Final = timedelta(seconds=4)
_IDLE: Final = timedelta(seconds=3)
_PATIENCE: Final = 20_000
_DEPTH: Final = 2
_WORKERS: Final = 2
_HELD: Final = "held"


@dataclass(frozen=True)
class Weather:
    """How unkind the world is to workers; shares are chances from 0 to 1.

    `lost` and `twice` befall bells on their way, and `shuffled` ones are answered in any order. `kills` are
    looks outwards, counted over all workers, at which the one that looks is killed. `aside` is the chance
    that another worker goes on at a look, `frozen` that it does so for longer than leases last.
    """

    seed: int = 0
    lost: float = 0.0
    twice: float = 0.0
    shuffled: bool = False
    aside: float = 0.0
    frozen: float = 0.0
    kills: tuple[int, ...] = ()


CALM: Final = Weather()


class Driver:
    """All workers, the post between them, and the passing of time.

    `lost_planners` counts, for the run that was worked on last, the plans whose worker was killed, or taken
    for dead since it stood still for too long.
    """

    def __init__(
        self,
        redis_url: str,
        standin: Standin,
        *,
        run_deadline: timedelta = timedelta(hours=2),
        chunk: int = 3,
    ) -> None:
        self.clock = Clock()
        self.store = Cupboard(self.clock)
        self.settings = Settings.model_construct(
            redis_url=SecretStr(redis_url),
            store_url="file:///nowhere",
            secret_keys=SecretStr("A" * 43 + "="),
            mailchimp_url=standin.url,
            lease=LEASE,
            run_deadline=run_deadline,
        )
        self.ledger = connect(redis_url)
        policy = Policy(lease=LEASE, keep=self.settings.keep)
        transitions = Clocked(self.clock, self.ledger, policy)
        transitions.load()
        self.runs = Runs(self.ledger, transitions)
        self.catalog = Catalog(self.ledger)
        self.weather = CALM
        self.looks = self.lost_planners = 0
        self.story: list[str] = []
        self._post: list[Bell] = []
        self._random = random.Random(0)
        self._hooks: dict[int, Callable[[], None]] = {}
        self._workers: list[Worker] = []
        self._started = 0
        self._chunk = chunk
        self._world = ExitStack()
        self._standin = standin

    def __enter__(self) -> Self:
        for patch in (*live_by(self.clock, self.wait, random.Random(0)), *_of_sizes(self._chunk)):
            self._world.enter_context(patch)
        self.clock.tell(self._tell_standin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self.ledger.close()
        self._world.close()

    # --- what tests ask for -----------------------------------------------------------------------

    def start(self, run_id: str, export: str, **more: Any) -> str:
        """Creates a run and rings for it."""
        trigger = Trigger("refresh", more.pop("refresh_id")) if "refresh_id" in more else Trigger("manual")
        run_id, bells = self.runs.create(run_id, export=export, trigger=trigger, **more)
        self.hear(bells)
        return run_id

    def finish(
        self, run_id: str, weather: Weather = CALM, hooks: dict[int, Callable[[], None]] | None = None
    ) -> RunDocument:
        """Works in this weather until the run has ended or is held, and everything is tidied up.

        `hooks` are called at the look outwards of their number.

        Raises:
            AssertionError: that never comes.
        """
        self.weather, self.looks, self.lost_planners, self._hooks = weather, 0, 0, dict(hooks or {})
        self._random = random.Random(weather.seed)
        for _ in range(_PATIENCE):
            if self._post:
                self._step()
            elif self._is_over(run_id):
                self.weather = CALM
                return self.runs.document(run_id)
            else:
                self.wait(_IDLE)
                self._sweep()
        raise AssertionError(f"Run {run_id} never ends: {self.runs.document(run_id)}")

    def wait(self, span: timedelta, *, renewing: bool = True) -> None:
        """Lets time pass; workers that are in the middle of something renew what they hold."""
        while renewing and span > _RENEWS and any(worker.busy for worker in self._workers):
            self._renew()
            self.clock.advance(_RENEWS)
            span -= _RENEWS
        if renewing:
            self._renew()
        self.clock.advance(span)

    def hear(self, bells: Iterable[Bell]) -> None:
        """Takes bells to the post; some get lost on the way, some come twice."""
        for bell in bells:
            if self._random.random() >= self.weather.lost:
                self._post += [bell] * (1 + (self._random.random() < self.weather.twice))

    @property
    def backlog(self) -> int:
        return len(self._post)

    # --- how it is done ---------------------------------------------------------------------------

    def _tell_standin(self, now: datetime) -> None:
        self._standin.set_clock_offset((now - datetime.now(UTC)).total_seconds())

    def _is_over(self, run_id: str) -> bool:
        document = self.runs.document(run_id)
        return document.status == _HELD or (document.ended and not self.runs.untidy())

    def _step(self) -> None:
        """Some worker does what some bell asks for."""
        at = self._random.randrange(len(self._post)) if self.weather.shuffled else 0
        bell = self._post.pop(at)
        worker = self._idle_worker()
        self.story.append(f"{worker.number} {bell.kind} {bell.chunk}")
        with self._mortal(worker):
            worker.do(bell)

    def _sweep(self) -> None:
        worker = self._idle_worker()
        with self._mortal(worker):
            worker.sweep()

    @contextmanager
    def _mortal(self, worker: Worker) -> Iterator[None]:
        try:
            yield
        except Killed:
            self._workers.remove(worker)
            worker.end()

    def _idle_worker(self) -> Worker:
        idle = [worker for worker in self._workers if not worker.busy]
        if idle and len(self._workers) >= _WORKERS:
            return self._random.choice(idle)
        self._started += 1
        self._workers.append(Worker(self, self._started))
        return self._workers[-1]

    def _renew(self) -> None:
        for worker in self._workers:
            if worker.busy:
                worker.renew()

    def looked(self, worker: Worker) -> None:
        """A worker is about to do something that others will see."""
        self.looks += 1
        self.clock.tick()
        if self.looks in self._hooks:
            self._hooks.pop(self.looks)()
        if self.looks in self.weather.kills:
            self._kill(worker)
        busy = sum(other.busy for other in self._workers)
        if self.weather.aside and busy <= _DEPTH and self._random.random() < self.weather.aside:
            self._turn_aside(worker)

    def _kill(self, worker: Worker) -> None:
        self.story.append(f"{worker.number} is killed")
        self.lost_planners += worker.doing == "plan"
        worker.dead = True
        raise Killed

    def _turn_aside(self, worker: Worker) -> None:
        """Others go on for a while before this worker does, perhaps until they take it for dead."""
        if self._random.random() < self.weather.frozen:
            self.story.append(f"{worker.number} freezes")
            self.lost_planners += sum(other.doing == "plan" for other in self._workers)
            self.wait(LEASE + _IDLE, renewing=False)
            self._sweep()
        for _ in range(self._random.randint(1, 6)):
            if self._post:
                self._step()
        self.story.append(f"{worker.number} goes on")


def _of_sizes(chunk: int) -> list[Any]:
    """What makes few people many chunks, parts and shards."""
    cut, writer = staging._Chunks, SnapshotWriter

    return [
        mock.patch.object(staging, "_Chunks", lambda _, first: cut(chunk, first)),
        mock.patch.object(removals, "_SIZE", chunk),
        mock.patch.object(removals, "_ONE_BY_ONE", chunk),
        mock.patch.object(stager, "_part_sizes", lambda phase: repeat(2 if phase >= UPLOADS else inf)),
        mock.patch.object(memory, "SnapshotWriter", partial(writer, size=chunk + 1)),
    ]
