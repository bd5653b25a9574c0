"""The slot transitions under a model checker: a far side that counts calls, and what must be true."""

from dataclasses import dataclass, field
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

from worker.exports.runs import Trigger
from worker.state import keys
from worker.state.client import read_hash, read_set
from worker.state.runs import Runs
from worker.state.scripts import Bell, Policy, Transitions
from worker.state.slots import Child, Lease, ParkReason, Slots

POLICY = Policy()
LEASE = 20_000
CONNECTION = "newsletter"
MEMBERS = 10


@dataclass
class Call:
    """A call at the far side: open until `ends`, whoever still watches it."""

    lease: Lease
    began: int
    ends: int
    watched: bool = True


@dataclass
class World:
    """What is true, kept apart from the ledger."""

    now: int = 1_000_000
    most: int = 1
    messages: list[Bell] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    borrowed: dict[str, int] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    spent: list[Lease] = field(default_factory=list)
    delivered: dict[str, set[str]] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    paused: bool = False


class SlotMachine(RuleBasedStateMachine):
    client: "redis.Redis"

    @initialize(most=st.sampled_from([1, 2, 3, 5]), chunks=st.integers(2, 6))
    def begin_world(self, most: int, chunks: int) -> None:
        self.client.flushall()
        self.transitions = Transitions(self.client, POLICY)
        self.slots, self.runs = Slots(self.client, self.transitions), Runs(self.client, self.transitions)
        self.world = World(most=most)
        self.transitions.at(self.world.now)
        self.plan_run(chunks)

    def hear(self, bells: list[Bell]) -> None:
        for bell in bells:
            if bell.kind == "upload":
                assert bell.token not in self.world.tokens, "a token was given twice"
                self.world.tokens.add(bell.token)
                self.world.messages.append(bell)

    @precondition(lambda self: len(self.world.planned) < 3)
    @rule(chunks=st.integers(1, 4))
    def plan_run(self, chunks: int) -> None:
        run_id = f"r{len(self.world.planned)}"
        self.runs.create(run_id, export=run_id, trigger=Trigger("manual"))
        claim = self.runs.claim_plan(run_id, tries=3)
        assert claim is not None
        self.runs.survey(
            claim,
            connection=CONNECTION,
            max_connections=self.world.most,
            audience_id="a",
            segments=["s"],
            counts={"read": chunks * MEMBERS},
        )
        offered = [(f"1-{number}", MEMBERS, "0:0:1") for number in range(chunks)]
        for _ in range(2):
            self.hear(self.runs.offer(claim, offered)[1])
        self.hear(self.runs.seal(claim, [])[1])
        self.world.planned[run_id] = chunks
        self.world.delivered[run_id] = set()

    @rule()
    def sweep(self) -> None:
        self.hear(self.slots.grant(CONNECTION))

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data(), twice=st.booleans(), takes=st.sampled_from([500, 5_000, 9_000]))
    def deliver(self, data: st.DataObject, twice: bool, takes: int) -> None:  # noqa: FBT001
        bell = data.draw(st.sampled_from(self.world.messages))
        if not twice:
            self.world.messages.remove(bell)
        lease = Lease(CONNECTION, bell.run_id, bell.chunk, bell.token)
        if self.slots.begin(lease) is not None:
            assert not self.world.paused, "a call began on a paused connection"
            assert bell.run_id not in self.world.stopped, "a call began for a stopped run"
            watched = [call.lease.chunk for call in self.world.calls if call.watched]
            assert bell.chunk not in [c for c in watched if bell.run_id == c], "two live calls for one chunk"
            self.world.calls.append(Call(lease, self.world.now, self.world.now + takes))

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data())
    def lose_message(self, data: st.DataObject) -> None:
        self.world.messages.remove(data.draw(st.sampled_from(self.world.messages)))

    def watched(self) -> list[Call]:
        return [call for call in self.world.calls if call.watched]

    def draw_call(self, data: st.DataObject) -> Call:
        return data.draw(st.sampled_from(self.watched()))

    @precondition(lambda self: self.watched())
    @rule(data=st.data(), split=st.booleans())
    def settle(self, data: st.DataObject, split: bool) -> None:  # noqa: FBT001
        call = self.draw_call(data)
        self.world.calls.remove(call)
        self.world.spent.append(call.lease)
        record = read_hash(self.client, keys.chunks(call.lease.run_id)).get(call.lease.chunk, "")
        whole = '"m"' not in record
        children = [[0, 1], [2, 3, 4, 5, 6, 7, 8, 9]] if split and whole else []
        counted, bells = self.slots.settle(
            call.lease,
            took=timedelta(milliseconds=self.world.now - call.began),
            outcomes={} if children else {"created": self.size(call.lease)},
            children=[Child(members) for members in children],
        )
        if counted:
            done = self.world.delivered[call.lease.run_id]
            assert call.lease.chunk not in done, "a chunk was settled twice"
            done.add(call.lease.chunk)
            known = read_hash(self.client, keys.chunks(call.lease.run_id))
            assert all(f"{call.lease.chunk}.{at}" in known for at in range(len(children))), "a part is lost"
        self.hear(bells)

    def size(self, lease: Lease) -> int:
        return {"0": 2, "1": 8}[lease.chunk.rpartition(".")[2]] if "." in lease.chunk else MEMBERS

    @precondition(lambda self: self.watched())
    @rule(data=st.data(), reason=st.sampled_from(ParkReason), unseen=st.booleans())
    def park(self, data: st.DataObject, reason: ParkReason, unseen: bool) -> None:  # noqa: FBT001
        call = self.draw_call(data)
        took = timedelta(milliseconds=self.world.now - call.began)
        if unseen:
            # whoever did not see the end of a call never says later that it has ended
            call.watched = False
        else:
            self.world.calls.remove(call)
            self.world.spent.append(call.lease)
        delay = timedelta(seconds=1)
        self.hear(self.slots.park(call.lease, reason=reason, delay=delay, may_be_open=unseen, took=took)[1])

    @precondition(lambda self: self.watched())
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        call = self.draw_call(data)
        self.world.calls.remove(call)
        self.world.spent.append(call.lease)
        self.hear(self.slots.give_up(call.lease, reason="not_delivered", may_be_open=False)[1])

    @precondition(lambda self: self.world.spent)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.world.spent))
        counted, bells = self.slots.settle(lease, took=timedelta(), outcomes={"created": MEMBERS})
        assert not counted, "a spent token settled a chunk"
        self.hear(bells)

    @precondition(lambda self: self.watched())
    @rule(data=st.data())
    def kill_worker(self, data: st.DataObject) -> None:
        self.draw_call(data).watched = False

    @rule()
    def renew(self) -> None:
        self.slots.renew_calls([call.lease for call in self.watched()])
        self.slots.renew_calls([Lease(CONNECTION, "", "", token) for token in self.world.borrowed])

    @rule(token=st.sampled_from(["b1", "b2"]))
    def borrow(self, token: str) -> None:
        if token not in self.world.borrowed and self.slots.borrow(
            CONNECTION, max_connections=self.world.most, token=token, patience=timedelta(seconds=2)
        ):
            assert not self.world.paused, "a slot was lent on a paused connection"
            self.world.borrowed[token] = self.world.now

    @precondition(lambda self: self.world.borrowed)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.world.borrowed)))
        del self.world.borrowed[token]
        self.hear(self.slots.give_back(CONNECTION, token=token, run_id="", calls=1, may_be_open=False))

    @rule(data=st.data())
    def stop_run(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.world.planned)))
        self.hear(self.runs.stop(run_id, status="canceled", sentence="Canceled.")[1])
        self.world.stopped.add(run_id)

    @rule()
    def pause(self) -> None:
        self.slots.pause(CONNECTION)
        self.world.paused = True

    @precondition(lambda self: self.world.paused)
    @rule()
    def resume(self) -> None:
        self.world.paused = False
        self.hear(self.slots.resume(CONNECTION))

    @rule(ms=st.sampled_from([1, 1_000, 4_000]))
    def time_passes(self, ms: int) -> None:
        """Time passes in steps within which every living worker renews, as its keeper thread does."""
        self.world.now += ms
        self.transitions.at(self.world.now)
        self.world.calls = [call for call in self.world.calls if call.watched or call.ends > self.world.now]
        self.renew()

    @rule()
    def workers_freeze(self) -> None:
        """Everything stands still beyond the leases; the far side ends the calls meanwhile."""
        self.world.now += LEASE + 1
        self.transitions.at(self.world.now)
        self.world.calls = [call for call in self.world.calls if call.ends > self.world.now]
        self.world.borrowed.clear()

    @invariant()
    def never_over_the_limit(self) -> None:
        if hasattr(self, "world"):
            open_now = [call for call in self.world.calls if call.watched or call.ends > self.world.now]
            assert len(open_now) + len(self.world.borrowed) <= self.world.most

    @invariant()
    def every_chunk_is_in_one_place(self) -> None:
        if not hasattr(self, "world"):
            return
        leases = self.client.zrange(keys.leases(CONNECTION), 0, -1)
        for run_id in self.world.planned:
            ready = self.client.zrange(f"{keys.run(run_id)}:ready", 0, -1)
            leased = [str(name).split(" ")[1] for name in leases if str(name).startswith(f"{run_id} ")]
            assert sorted([*ready, *leased]) == read_set(self.client, keys.open_chunks(run_id))

    @invariant()
    def every_key_of_a_run_is_mortal(self) -> None:
        for key in self.client.scan_iter(f"{keys.NAMESPACE}:run:*"):
            assert self.client.ttl(key) > 0, key

    def teardown(self) -> None:
        """When faults stop, every run ends: all workers and messages lost, only the ledger is left."""
        if not hasattr(self, "world"):
            return
        self.world.messages.clear()
        self.hear(self.slots.resume(CONNECTION))
        for _ in range(600):
            self.world.now += 3_000
            self.transitions.at(self.world.now)
            self.hear(self.slots.grant(CONNECTION))
            for run_id in self.runs.active():
                self.runs.tend(run_id, deadline=timedelta(days=1), patience=timedelta(seconds=5))
                claim = self.runs.claim_finish(run_id)
                if claim:
                    self.runs.finish(claim, [])
            while self.world.messages:
                bell = self.world.messages.pop()
                lease = Lease(CONNECTION, bell.run_id, bell.chunk, bell.token)
                if self.slots.begin(lease):
                    self.hear(
                        self.slots.settle(lease, took=timedelta(), outcomes={"created": self.size(lease)})[1]
                    )
            if not self.runs.active() and not self.slots.working():
                break
        for run_id, chunks in self.world.planned.items():
            profiles = self.runs.document(run_id).profiles
            assert profiles["created"] + profiles["failed"] == profiles["read"] == chunks * MEMBERS
        assert self.client.exists(keys.CONNECTIONS) == 0, "an idle connection is still swept"


@pytest.mark.timeout(300)
def test_slots_keep_their_promises(redis_client: "redis.Redis") -> None:
    """Never over the limit, nothing forgotten, nothing counted twice, and every run ends."""

    class Machine(SlotMachine):
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
