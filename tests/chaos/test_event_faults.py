"""The row of the fault table about events: twice, late, out of order, in storms, messages lost or doubled."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, TypeAlias

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.application import Producer
from producer.events import refresh_finished, run_export
from worker.broker import Doorbell
from worker.exports.definitions import Connection, Consent, Export, Segment
from worker.exports.runs import RunDocument
from worker.state.client import connect
from worker.state.scripts import Bell

EXPORTS: Final = {"both": ("loyal", "churn"), "weekly": ("loyal",)}
SEGMENTS: Final = ("loyal", "churn")

Step: TypeAlias = tuple[str, int, frozenset[str]]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["refresh", "refresh", "refresh", "manual", "work", "work", "lose"]),
        st.integers(0, 5),
        st.frozensets(st.sampled_from(SEGMENTS), min_size=1),
    ),
    min_size=1,
    max_size=40,
)


class Queue(Doorbell):
    """Messages that are delivered in any order, any number of times, or never."""

    def __init__(self) -> None:
        self.bells: list[Bell] = []

    def ring(self, bells: Iterable[Bell]) -> None:
        self.bells += bells


class Installation:
    """Producer functions before a real ledger; workers that find nobody in any segment."""

    def __init__(self, client: "redis.Redis") -> None:
        client.flushall()
        self.queue = Queue()
        self.producer = Producer(client=client, doorbell=self.queue)
        consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
        usual = {"connection": "newsletter", "audience_id": "a1b2c3d4e5", "email": "email"}
        self.producer.catalog.save(
            [Connection(name="newsletter", type="mailchimp", api_key="env:KEY", consent=consent)],
            [Segment(name=name, source=f"{name}.csv") for name in SEGMENTS],
            [Export.model_validate({"name": name, "segments": of, **usual}) for name, of in EXPORTS.items()],
        )
        self.answers: dict[tuple[str, str, str], str] = {}
        self.asked: dict[str, list[str]] = defaultdict(list)
        self.planned: list[str] = []

    def do(self, step: Step) -> None:
        what, number, segments = step
        if what == "refresh":
            self.refresh(f"r{number}", segments)
        elif what == "manual":
            export = sorted(EXPORTS)[number % len(EXPORTS)]
            self.asked[export].append(run_export(self.producer, export).run_id)
        elif what == "lose":
            self.queue.bells.clear()
        elif self.queue.bells:
            # the message stays there: it may come again at any time
            self.work(self.queue.bells[number % len(self.queue.bells)])

    def refresh(self, refresh_id: str, segments: frozenset[str]) -> None:
        """An event; what was told of before, and only that, is answered with the run that it led to."""
        for run in refresh_finished(self.producer, refresh_id, segments).runs:
            told = [(run.export, refresh_id, one) for one in EXPORTS[run.export] if one in segments]
            known = [self.answers[one] for one in told if one in self.answers]
            if len(known) == len(told):
                assert run.run_id == known[0]
            else:
                assert run.run_id not in self.answers.values()
                self.asked[run.export].append(run.run_id)
            for one in told:
                self.answers.setdefault(one, run.run_id)

    def work(self, bell: Bell) -> None:
        """A worker does what a message asks for, if it still holds."""
        runs = self.producer.runs
        if bell.kind == "plan":
            plan = runs.claim_plan(bell.run_id, tries=3)
            if plan is not None:
                self.planned.append(bell.run_id)
                runs.survey(
                    plan,
                    connection="newsletter",
                    max_connections=10,
                    audience_id="a1b2c3d4e5",
                    segments=SEGMENTS,
                    counts={"read": 0},
                )
                self.queue.ring(runs.seal(plan, [])[1])
        else:
            end = runs.claim_finish(bell.run_id)
            if end is not None:
                self.queue.ring(runs.finish(end, [])[1])

    def settle(self) -> None:
        """The storm is over: workers and sweeper do what is left."""
        for _ in range(100):
            for run_id in self.producer.runs.active():
                self.queue.ring(
                    self.producer.runs.tend(run_id, deadline=timedelta(days=1), patience=timedelta())
                )
            if not self.queue.bells and not self.producer.runs.active():
                return
            bells, self.queue.bells = self.queue.bells, []
            for bell in bells:
                self.work(bell)
        pytest.fail("the runs do not end")

    def of(self, export: str) -> list[RunDocument]:
        """An export's runs in the order in which they were asked for."""
        return [self.producer.runs.document(run_id) for run_id in self.asked[export]]


@pytest.fixture(scope="module")
def client(valkey: str) -> Iterator["redis.Redis"]:
    client = connect(valkey)
    yield client
    client.close()


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_the_same_event_twice_late_out_of_order_and_in_storms(
    client: "redis.Redis", steps: list[Step]
) -> None:
    """The latest wins, nothing is forgotten, nothing is done twice, whatever becomes of the messages."""
    at = Installation(client)
    for step in steps:
        at.do(step)
    at.settle()
    assert len(at.planned) == len(set(at.planned)), "nothing twice"
    for export in EXPORTS:
        runs = at.of(export)
        assert [run.status for run in runs[-1:]] in ([], ["successful"]), "the latest wins"
        for run, later in pairwise(runs):
            assert run.status in {"successful", "skipped"}
            if run.status == "skipped":
                assert later.run_id in (run.error or ""), "what is left out, the next one stands for"
        done = [run.run_id for run in runs if run.status == "successful"]
        assert [run_id for run_id in at.planned if run_id in done] == done, "in their order"
    assert len(at.producer.runs.recent(most=1_000)) == sum(map(len, at.asked.values()))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(10)))
def test_a_storm_of_refreshes_makes_two_runs(client: "redis.Redis", order: list[int]) -> None:
    """Ten refreshes in any order while a run is active, begun or not: that one, and the newest that came."""
    at = Installation(client)
    at.refresh("first", frozenset(SEGMENTS))
    at.work(at.queue.bells[0])
    for number in order:
        for _ in range(3):
            at.refresh(f"r{number}", frozenset(SEGMENTS))
    at.settle()
    for export in EXPORTS:
        runs = at.of(export)
        assert len(runs) == 11
        done = [run.trigger.refresh_id for run in runs if run.status == "successful"]
        assert done == ["first", f"r{order[-1]}"]
