"""The slot transitions side by side with a second, independent model of their rules: they never differ."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.state.rules import Chunk, Rules
from worker.exports.runs import Trigger
from worker.state import keys
from worker.state.client import read_hash
from worker.state.runs import Runs
from worker.state.scripts import Bell, Transitions
from worker.state.slots import Lease, ParkReason, Slots

CONNECTION = "newsletter"
MEMBERS = 10


@dataclass
class Holder:
    """Somebody who was given a token, and when their call began, if it did."""

    lease: Lease
    began: int = 0

    @property
    def name(self) -> str:
        return f"{self.lease.run_id} {self.lease.chunk}"


class RulesMachine(RuleBasedStateMachine):
    client: "redis.Redis"

    @initialize(most=st.integers(1, 4), chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)))
    def begin(self, most: int, chunks: tuple[int, int]) -> None:
        self.client.flushall()
        self.transitions = Transitions(self.client)
        self.slots, self.runs = Slots(self.client, self.transitions), Runs(self.client, self.transitions)
        self.model = Rules(most=most, now=1_000_000)
        self.holders: list[Holder] = []
        self.transitions.at(self.model.now)
        for number, count in enumerate(chunks):
            self._plan(f"r{number}", count)

    def _plan(self, run: str, count: int) -> None:
        self.runs.create(run, export=run, trigger=Trigger("manual"))
        claim = self.runs.claim_plan(run, tries=3)
        assert claim is not None
        self.runs.survey(
            claim,
            connection=CONNECTION,
            max_connections=self.model.most,
            audience_id="a",
            segments=["s"],
            counts={"read": count * MEMBERS},
        )
        names = [f"1-{number}" for number in range(count)]
        self.model.chunks |= {f"{run} {name}": Chunk(run) for name in names}
        self._hear(self.runs.offer(claim, [(name, MEMBERS, "0:0:1") for name in names])[1])
        self._hear(self.runs.seal(claim, [])[1])

    def _hear(self, bells: list[Bell], *, swept: bool = True) -> None:
        uploads = [bell for bell in bells if bell.kind == "upload"]
        self.model.granted([(f"{bell.run_id} {bell.chunk}", bell.token) for bell in uploads], swept=swept)
        self.holders += [Holder(Lease(CONNECTION, bell.run_id, bell.chunk, bell.token)) for bell in uploads]

    def _anybody(self, data: st.DataObject) -> Holder:
        """A holder of now or of long ago: messages come late and twice, workers thaw."""
        return data.draw(st.sampled_from(self.holders))

    @rule()
    def sweep(self) -> None:
        self._hear(self.slots.grant(CONNECTION))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def a_message_comes(self, data: st.DataObject) -> None:
        holder = self._anybody(data)
        allowed = self.model.begins(holder.name, holder.lease.token)
        assert (self.slots.begin(holder.lease) is not None) == allowed
        if allowed:
            holder.began = self.model.now

    @precondition(lambda self: any(holder.began for holder in self.holders))
    @rule(data=st.data())
    def a_call_delivers(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from([holder for holder in self.holders if holder.began]))
        took = self.model.now - holder.began
        counts = self.model.settles(holder.name, holder.lease.token, took)
        counted, bells = self.slots.settle(
            holder.lease, took=timedelta(milliseconds=took), outcomes={"created": MEMBERS}
        )
        assert counted == counts
        self._hear(bells)

    @precondition(lambda self: any(holder.began for holder in self.holders))
    @rule(data=st.data(), delay=st.sampled_from([0, 1_000, 9_000]), seen=st.booleans())
    def a_call_fails(self, data: st.DataObject, delay: int, seen: bool) -> None:  # noqa: FBT001
        holder = data.draw(st.sampled_from([holder for holder in self.holders if holder.began]))
        since = None if seen else holder.began
        parks = self.model.parks(holder.name, holder.lease.token, delay, still_open_since=since)
        parked, bells = self.slots.park(
            holder.lease,
            reason=ParkReason.DEFERRED,
            delay=timedelta(milliseconds=delay),
            may_be_open=not seen,
            took=timedelta(milliseconds=self.model.now - holder.began),
        )
        assert parked == parks
        self._hear(bells)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def a_worker_renews(self, data: st.DataObject) -> None:
        holder = self._anybody(data)
        self.model.renews(holder.name, holder.lease.token)
        self.slots.renew_calls([holder.lease])

    @rule(run=st.sampled_from(["r0", "r1"]))
    def a_run_is_stopped(self, run: str) -> None:
        stopped, bells = self.runs.stop(run, status="canceled", sentence="Canceled.")
        if stopped:
            self.model.stops(run)
            self._hear(bells, swept=False)

    @rule()
    def pause(self) -> None:
        self.slots.pause(CONNECTION)
        self.model.paused = True

    @precondition(lambda self: self.model.paused)
    @rule()
    def resume(self) -> None:
        self.model.paused = False
        self._hear(self.slots.resume(CONNECTION))

    @rule(ms=st.sampled_from([1, 1_000, 9_000, 20_000]))
    def time_passes(self, ms: int) -> None:
        self.model.now += ms
        self.transitions.at(self.model.now)

    @invariant()
    def both_are_of_one_mind(self) -> None:
        """About each chunk, and about how many slots are taken."""
        if not hasattr(self, "model"):
            return
        found = {
            f"{run} {name}": json.loads(record)["s"]
            for run in ("r0", "r1")
            for name, record in read_hash(self.client, keys.chunks(run)).items()
        }
        assert found == {name: chunk.state for name, chunk in self.model.chunks.items()}
        assert self.client.zcard(keys.leases(CONNECTION)) == self.model.taken()


@pytest.mark.timeout(300)
def test_the_transitions_keep_the_rules_to_the_letter(redis_client: "redis.Redis") -> None:
    """Whatever comes late, twice or never: the scripts and the model grant, refuse and count the same."""

    class Machine(RulesMachine):
        client = redis_client

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
