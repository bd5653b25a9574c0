"""A round: runs while things fail, as its seed says; then quiet; then the audit."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random

from producer.applying import apply
from producer.events import refresh_finished
from tests.catalogs import TAGS, account
from tests.chaos import audit, people, timeline
from tests.chaos.failpoints import Order
from tests.chaos.injecting import Injector
from tests.chaos.people import Expected, Population
from tests.chaos.recovering import Recoveries
from tests.chaos.schedule import Fault, Kind, Schedule, Step, Target, draw
from tests.chaos.stage import Stage, patiently
from tests.chaos.tally import Tally
from tests.chaos.timeline import Timeline
from tests.mailchimp_standin.validation import MergeField
from tests.profiles import ATTRIBUTES, Segments
from worker.exports.runs import RunDocument
from worker.state import keys

LIVENESS = 60.0
"""Seconds within which every run has to end when the faults have stopped."""
_FILES = ("loyal-customers", "churn-risk")
_REDIS_FAULTS = frozenset({Kind.REDIS_KILL, Kind.REDIS_FREEZE, Kind.REDIS_CLIENTS, Kind.QUEUES})


class Failure(AssertionError):
    """A round that has broken a promise: its seed, what was broken, and its timeline."""


@dataclass
class _Export:
    seed: int
    target: Target
    population: Population
    expected: Expected
    pending: list[Segments] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"export-{self.seed}-{self.target.number}"


class Round:
    """One round on a stage that is warm.

    `orders` stand from the first refresh to the end, beside the faults of the schedule; `points` are those
    that workers have come by then.
    """

    def __init__(self, stage: Stage, schedule: Schedule, orders: Sequence[Order] = ()) -> None:
        self.points: list[str] = []
        self._orders = orders
        self.tally = Tally()
        self.timeline = Timeline()
        self._stage, self._schedule = stage, schedule
        self._accounts = {
            _account(schedule.seed, number): f"{schedule.seed:016x}{number:016x}-us1"
            for number in range(len(schedule.limits))
        }
        self._recoveries = Recoveries(stage)
        self._injector = Injector(stage, self._accounts, self.timeline, self.tally, self._recoveries)
        self._exports = [self._export(target) for target in schedule.targets]
        self._refreshes = count(1)
        self._stage_now = 0
        self._log_start = stage.log.stat().st_size if stage.log.exists() else 0
        self._disturbed = False

    def run(self) -> Tally:
        """Does all of it.

        Raises:
            Failure: a promise was broken.
        """
        try:
            self._set_up()
            for number, step in enumerate(self._schedule.steps):
                self._step(number, step)
            self._audit_what_is_left()
            self.points = [hit.point for hit in self._stage.failpoints.hits()]
            self._injector.finish_failpoints()
        except Exception as error:
            raise Failure(self._told(error)) from error
        finally:
            self._recoveries.stop()
        self._count()
        return self.tally

    # what there is before anything fails

    def _export(self, target: Target) -> _Export:
        rng = Random(f"{self._schedule.seed} {target.number}")
        return _Export(self._schedule.seed, target, Population(target, rng), Expected(target))

    def _set_up(self) -> None:
        stage, standin = self._stage, self._stage.standin
        stage.failpoints.clear()
        standin.set_latency((self._schedule.latency / 2, self._schedule.latency * 1.5))
        for key in self._accounts.values():
            standin.add_account(key)
        for export in self._exports:
            audience = standin.add_audience(self._audience_id(export), api_key=self._key(export))
            audience.configure(dialect=export.target.dialect)
            audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
            audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
            audience.seed(export.expected.seeds(export.population))
        path = stage.folder / "catalog.yaml"
        path.write_text(self._catalog())
        apply(path, stage.producer.catalog, stage.producer.keyring, {})
        stage.failpoints.arm(*self._orders)

    def _catalog(self) -> str:
        connections = zip(self._accounts.items(), self._schedule.limits, strict=True)
        return json.dumps(
            {
                "connections": {
                    name: account(key, max_connections=limit) for (name, key), limit in connections
                },
                "segments": {
                    f"{export.name}-{file}": {
                        "display_name": tag,
                        "source": f"{self._folder}/{{refresh_id}}/{export.name}/{file}.parquet",
                    }
                    for export in self._exports
                    for file, tag in zip(_FILES, TAGS, strict=True)
                },
                "exports": {export.name: self._definition(export) for export in self._exports},
            }
        )

    def _definition(self, export: _Export) -> dict[str, object]:
        return {
            "connection": _account(export.seed, export.target.account),
            "audience_id": self._audience_id(export),
            "segments": [f"{export.name}-{file}" for file in _FILES],
            "email": "email",
            "attributes": ATTRIBUTES,
            "mode": export.target.mode,
        }

    @property
    def _folder(self) -> str:
        return f"{self._stage.data}/{self._schedule.seed}"

    def _audience_id(self, export: _Export) -> str:
        return f"{self._schedule.seed % 10**8:08d}a{export.target.number}"

    def _key(self, export: _Export) -> str:
        return self._accounts[_account(export.seed, export.target.account)]

    # a step: refreshes and faults, then quiet

    def _step(self, number: int, step: Step) -> None:
        self.timeline.note(f"step {number + 1}")
        unsubscribing = self._change(number, step)
        self._stage_now = 0
        self._refresh(ring=not any(fault.kind == Kind.LOST_BELL for fault in step.faults))
        self._disturbed |= any(fault.kind in _REDIS_FAULTS for fault in step.faults)
        with ThreadPoolExecutor(8) as pool:
            futures = [
                pool.submit(self._later, fault) for fault in step.faults if self._injector.knows(fault.kind)
            ]
            self._people_act(step, unsubscribing)
            _raise_first(futures)
        if self._stage_now < step.stages - 1:
            self._to_stage(step.stages - 1)
        if not self._orders:
            self._injector.finish_failpoints()
        quiet = time.monotonic()
        self.timeline.note("no more faults")
        self._until_all_have_ended()
        self.tally.settling.append(time.monotonic() - quiet)
        for export in self._exports:
            export.expected.deliver(export.pending[-1])
            self._audit(export)
            export.expected.lately.clear()

    def _change(self, number: int, step: Step) -> list[tuple[_Export, str]]:
        """Changes the customers; some unsubscribe at once, others are to do so during the step."""
        during = []
        asked = sum(fault.kind == Kind.UNSUBSCRIBE for fault in step.faults)
        for export in self._exports:
            if not number:
                export.pending = [export.population.segments()] * step.stages
                continue
            willing = export.expected.unsubscribable(export.population)
            for address in willing[:3]:
                self._stage.standin.audience(self._audience_id(export)).unsubscribe(address)
                export.expected.unsubscribe(address, during=False)
            during += [(export, address) for address in willing[3 : 3 + 2 * asked]]
            export.population.settled |= set(willing[: 3 + 2 * asked])
            export.pending = export.population.advance(step.stages)
        return during

    def _later(self, fault: Fault) -> None:
        time.sleep(fault.at)
        self._injector.inject(fault)

    def _people_act(self, step: Step, unsubscribing: Sequence[tuple[_Export, str]]) -> None:
        began, left = time.monotonic(), list(unsubscribing)
        for fault in step.faults:
            if self._injector.knows(fault.kind):
                continue
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            self.tally.injected[fault.kind] += 1
            self.timeline.note(f"{fault.kind}")
            match fault.kind:
                case Kind.CANCEL:
                    self._cancel(fault)
                case Kind.STORM:
                    for at in range(self._stage_now + 1, step.stages):
                        self._to_stage(at)
                        time.sleep(fault.lasts / step.stages)
                case Kind.UNSUBSCRIBE:
                    some, left = left[: 2 * len(self._exports)], left[2 * len(self._exports) :]
                    for export, address in some:
                        self._stage.standin.audience(self._audience_id(export)).unsubscribe(address)
                        export.expected.unsubscribe(address, during=True)

    def _to_stage(self, at: int) -> None:
        self._stage_now = at
        self._refresh()

    def _refresh(self, *, ring: bool = True) -> None:
        """The segments are as they are at this stage: says so, also once more if the answer was lost."""
        refresh_id = f"r{next(self._refreshes)}"
        for export in self._exports:
            made = export.pending[self._stage_now]
            people.write(made, self._stage.data / str(self._schedule.seed) / refresh_id / export.name)
        producer = self._stage.producer if ring else self._stage.deaf_producer
        started = patiently(lambda: refresh_finished(producer, refresh_id))
        self.timeline.note(f"refresh {refresh_id}: {', '.join(run.run_id for run in started.runs)}")

    def _cancel(self, fault: Fault) -> None:
        export, producer = self._exports[fault.which % len(self._exports)], self._stage.producer

        def cancel() -> str:
            run_id = producer.runs.active_of(export.name)
            if run_id:
                producer.ring(producer.runs.stop(run_id, status="canceled", sentence="Canceled by chaos.")[1])
            return run_id

        self.timeline.note(f"canceled: {patiently(cancel) or 'nothing'}")
        self._refresh()

    def _until_all_have_ended(self) -> None:
        deadline = time.monotonic() + LIVENESS
        while active := patiently(self._stage.runs.active):
            if time.monotonic() > deadline:
                shown = [f"{run}: {self._stage.runs.document(run).status}" for run in active]
                raise audit.Violation(f"After {LIVENESS:g} s without a fault these have not ended: {shown}")
            time.sleep(0.05)

    # what has to hold

    def _documents(self, export: _Export) -> list[RunDocument]:
        """The runs of an export, the newest first."""
        return self._stage.runs.recent(export=export.name, most=100)

    def _audit(self, export: _Export) -> None:
        """Looks at an export from all sides, when all is quiet."""
        documents = self._documents(export)
        last = next((run for run in documents if run.status != "skipped"), documents[0])
        lines = {run.run_id: self._stage.report_of(run.run_id) for run in documents}
        audience = self._stage.standin.audience(self._audience_id(export))
        rows = people.rows_of(export.pending[-1])

        def findings() -> audit.Findings:
            for run in documents:
                yield from audit.balance(run, lines[run.run_id])
            yield from audit.last_run(last, lines[last.run_id], rows, export.expected)
            yield from audit.audience(audience, export.expected)

        audit.check(findings())

    def _audit_what_is_left(self) -> None:
        stage = self._stage
        standin = {name: stage.standin.account(key) for name, key in self._accounts.items()}

        def findings() -> audit.Findings:
            for (_, handle), most in zip(standin.items(), self._schedule.limits, strict=True):
                yield from audit.limit(handle, most)
            yield from audit.nothing_left(
                stage.ledger, stage.folder / "store", may_be_stranded=self._disturbed
            )
            yield from audit.privacy(stage.log, self._log_start, stage.redis_url)

        audit.check(findings())

    # what is told of it

    def _count(self) -> None:
        tally, stage = self.tally, self._stage
        tally.rounds = 1
        tally.worker_recoveries = self._recoveries.worker
        tally.redis_recoveries = self._recoveries.redis
        tally.stranded = audit.unacknowledged(stage.ledger)
        for run in stage.runs.recent(most=1_000):
            tally.runs[run.status] += 1
            tally.profiles += run.profiles["read"]
        for key, most in zip(self._accounts.values(), self._schedule.limits, strict=True):
            found = stage.standin.account(key).statistics()
            tally.most_open[most] = max(tally.most_open[most], found.high_water)
            tally.calls += sum(found.calls.values())

    def _told(self, error: Exception) -> str:
        stage = self._stage
        for name, key in self._accounts.items():
            self.timeline.add(timeline.of_calls(name, stage.standin.account(key).calls()))
        self.timeline.add(timeline.of_log(stage.log, self._log_start))
        self.timeline.add(timeline.of_ledger(stage) for stage in self._ledger())
        what = f"{type(error).__name__}: {error}"
        again = f".venv/bin/python -m tests.chaos --rounds 1 --seed {self._schedule.seed}"
        return (
            f"Seed {self._schedule.seed} at {datetime.now(UTC):%H:%M:%S}: {what}\n"
            f"Again: {again}\n\n{self._schedule}\n\n{self.timeline.told()}\n\n{what}"
        )

    def _ledger(self) -> list[str]:
        ledger = self._stage.ledger
        runs = [run.run_id for run in self._stage.runs.recent(most=20)]
        return [
            *(f"{run} {ledger.hgetall(keys.run(run))}" for run in runs),
            *(f"{name} {ledger.hgetall(keys.connection(name))}" for name in self._accounts),
        ]

    def forget(self) -> None:
        """Takes the round off the stage, for the next one."""
        self._stage.forget([self._audience_id(export) for export in self._exports], self._folder)


def _account(seed: int, number: int) -> str:
    """Names are never used twice on a stage: workers remember a connection's key for a second."""
    return f"account-{seed}-{number}"


def play(stage: Stage, seed: int) -> Tally:
    """The round of a seed.

    Raises:
        Failure: a promise was broken.
    """
    with ExitStack() as stack:
        this = Round(stage, draw(seed))
        stack.callback(this.forget)
        return this.run()


def _raise_first(futures: Sequence["Future[None]"]) -> None:
    for future in futures:
        future.result()
