"""The ledger of runs, on both servers: the real one and the fake that the fast units use."""

from collections.abc import Iterator
from datetime import timedelta

import fakeredis
import pytest
import redis

from worker.errors import UsageError
from worker.exports.runs import Lint, Trigger
from worker.state import keys
from worker.state.runs import PlanClaim, Runs, TooManyPlans
from worker.state.scripts import Bell, Transitions
from worker.state.slots import Child, Lease, ParkReason, Slots

NOW = 1_700_000_000_000
REFRESH = Trigger("refresh", "2026-11-24")
MANUAL = Trigger("manual")


class Ledger:
    """A client with the two halves of the ledger and a clock that tests move."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client
        self.transitions = Transitions(client)
        self.runs, self.slots = Runs(client, self.transitions), Slots(client, self.transitions)
        self.now = NOW
        self.pass_time(timedelta())

    def pass_time(self, span: timedelta) -> None:
        self.now += round(span / timedelta(milliseconds=1))
        self.transitions.at(self.now)

    def planned(self, run_id: str, *, chunks: int = 1, read: int = 10) -> tuple[PlanClaim, list[Bell]]:
        claim = self.runs.claim_plan(run_id, tries=3)
        assert claim is not None
        assert self.surveyed(claim, read)
        offered = [(f"{claim.epoch}-{number}", 10, "0:0:1") for number in range(chunks)]
        return claim, self.runs.offer(claim, offered)[1]

    def surveyed(self, claim: PlanClaim, read: int = 10) -> bool:
        return self.runs.survey(
            claim,
            connection="c",
            max_connections=10,
            audience_id="a",
            segments=["s"],
            counts={"read": read},
        )

    def tend(self, run_id: str) -> list[Bell]:
        return self.runs.tend(run_id, deadline=timedelta(hours=24), patience=timedelta(seconds=5))


@pytest.fixture(params=["fake", "real"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "real":
        yield Ledger(request.getfixturevalue("redis_client"))
        return
    yield Ledger(fakeredis.FakeRedis(decode_responses=True))


def test_a_new_run_rings_for_its_plan(ledger: Ledger) -> None:
    created, bells = ledger.runs.create("r1", export="e", trigger=MANUAL)
    assert (created, bells) == ("r1", [Bell("plan", "r1")])
    assert ledger.runs.document("r1").status == "queued"


def test_the_same_refresh_twice_creates_one_run(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=REFRESH, segments=["a", "b"])
    again, bells = ledger.runs.create("r2", export="e", trigger=REFRESH, segments=["a"])
    assert (again, bells) == ("r1", [])
    assert ledger.runs.facts("r2") is None


def test_another_segment_of_the_same_refresh_is_not_forgotten(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=REFRESH, segments=["a"])
    created, _ = ledger.runs.create("r2", export="e", trigger=REFRESH, segments=["a", "b"])
    assert created == "r2"


def test_a_run_waits_behind_the_active_one_and_newer_ones_take_its_place(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    for run_id in ("r2", "r3"):
        assert ledger.runs.create(run_id, export="e", trigger=MANUAL) == (run_id, [])
    assert ledger.runs.document("r2").status == "skipped"
    assert "r3" in (ledger.runs.document("r2").error or "")
    _, bells = ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    assert bells == [Bell("plan", "r3")]


def test_a_full_run_that_is_superseded_makes_its_successor_full(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    ledger.runs.create("r2", export="e", trigger=MANUAL, full=True)
    ledger.runs.create("r3", export="e", trigger=MANUAL)
    facts = ledger.runs.facts("r3")
    assert facts is not None
    assert facts.full


RETRY = Trigger("retry", "2026-11-24", "r1")


def test_a_retry_of_a_refresh_is_not_taken_for_the_refresh(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=REFRESH, segments=["a"])
    assert ledger.runs.create("r2", export="e", trigger=RETRY) == ("r2", [])
    assert ledger.runs.document("r2").trigger == RETRY
    again, _ = ledger.runs.create("r3", export="e", trigger=REFRESH, segments=["a"])
    assert again == "r1"


def test_a_retry_gives_way_to_a_run_that_waits_or_is_held(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    ledger.runs.create("r2", export="e", trigger=MANUAL)
    assert ledger.runs.create("r3", export="e", trigger=RETRY) == ("", [])
    assert (ledger.runs.document("r2").status, ledger.runs.facts("r3")) == ("queued", None)
    ledger.runs.stop("r2", status="canceled", sentence="Canceled.")
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    assert ledger.runs.hold(claim, "Too many.")[0]
    assert ledger.runs.create("r3", export="e", trigger=RETRY) == ("", [])
    assert ledger.runs.document("r1").status == "held"


def test_a_run_that_would_be_held_makes_way_for_a_newer_one_behind_it(ledger: Ledger) -> None:
    """Nobody has to decide on what is out of date; what was asked of it is asked of the newer one."""
    ledger.runs.create("r1", export="e", trigger=MANUAL, full=True)
    claim = ledger.runs.claim_plan("r1", tries=3)
    ledger.runs.create("r2", export="e", trigger=MANUAL)
    assert claim is not None
    assert ledger.runs.hold(claim, "Too many.") == (True, [Bell("plan", "r2")])
    old, facts = ledger.runs.document("r1"), ledger.runs.facts("r2")
    assert (old.status, old.error) == ("skipped", "Superseded by run r2 while it was held.")
    assert facts is not None
    assert facts.full
    assert ledger.runs.active_of("e") == "r2"


def test_a_held_run_does_not_make_way_for_a_retry(ledger: Ledger) -> None:
    """It would send what was missing only, and forget what is new."""
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    ledger.runs.create("r2", export="e", trigger=RETRY)
    assert claim is not None
    assert ledger.runs.hold(claim, "Too many.") == (True, [])
    assert ledger.runs.document("r1").status == "held"
    assert ledger.runs.create("r3", export="e", trigger=MANUAL, full=True)[0] == "r3"
    assert ledger.runs.document("r1").status == "skipped"
    assert ledger.runs.active_of("e") == "r2"
    ledger.runs.stop("r2", status="canceled", sentence="Canceled.")
    assert ledger.runs.active_of("e") == "r3"


def test_the_active_run_of_an_export_is_known_unless_it_waits_for_a_person(ledger: Ledger) -> None:
    assert ledger.runs.active_of("e") == ""
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    assert ledger.runs.active_of("e") == "r1"
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    assert ledger.runs.hold(claim, "Too many.")[0]
    assert ledger.runs.active_of("e") == ""


def test_what_does_not_fit_the_merge_fields_stands_in_the_document(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    assert ledger.runs.document("r1").lint == {}
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    lint = {"FNAME": Lint(3, 1, ["loyal:17"])}
    ledger.runs.survey(
        claim, connection="c", max_connections=10, audience_id="a", segments=["s"], counts={}, lint=lint
    )
    assert ledger.runs.document("r1").lint == lint


def test_a_waiting_run_can_be_canceled_and_the_active_one_goes_on(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    ledger.runs.create("r2", export="e", trigger=MANUAL)
    ledger.runs.stop("r2", status="canceled", sentence="Canceled.")
    assert ledger.runs.document("r2").status == "canceled"
    assert ledger.runs.stop("r1", status="canceled", sentence="Canceled.") == (True, [])


def test_only_one_worker_plans_a_run(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    assert ledger.runs.claim_plan("r1", tries=3) is not None
    assert ledger.runs.claim_plan("r1", tries=3) is None


def test_a_lost_message_is_rung_again_by_the_sweeper(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    assert ledger.tend("r1") == []
    ledger.pass_time(timedelta(seconds=6))
    assert ledger.tend("r1") == [Bell("plan", "r1")]
    assert ledger.tend("r1") == []


def test_a_killed_plan_leaves_no_chunk_behind(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    first, bells = ledger.planned("r1", chunks=2)
    lease = Lease("c", "r1", bells[0].chunk, bells[0].token)
    assert ledger.slots.begin(lease) is not None
    ledger.pass_time(timedelta(seconds=25))
    second, _ = ledger.planned("r1", chunks=1)
    assert second.epoch == first.epoch + 1
    counted, _ = ledger.slots.settle(lease, took=timedelta(seconds=1), outcomes={"created": 10})
    assert not counted
    assert ledger.runs.offer(first, [("1-9", 10, "0:0:1")])[0] is False
    assert ledger.runs.document("r1").chunks.total == 1


def test_a_plan_that_kills_its_worker_again_and_again_is_given_up(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    for _ in range(3):
        ledger.runs.claim_plan("r1", tries=3)
        ledger.pass_time(timedelta(seconds=25))
    with pytest.raises(TooManyPlans):
        ledger.runs.claim_plan("r1", tries=3)
    _, bells = ledger.runs.stop("r1", status="failed", sentence="Planning broke.")
    assert bells == [Bell("finish", "r1")]


def test_waiting_for_mailchimp_is_no_attempt_at_planning(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    for _ in range(10):
        claim = ledger.runs.claim_plan("r1", tries=3)
        assert claim is not None
        ledger.runs.defer(claim, delay=timedelta(seconds=15))
        ledger.pass_time(timedelta(seconds=14))
        assert ledger.tend("r1") == []
        ledger.pass_time(timedelta(seconds=2))
        assert ledger.tend("r1") == [Bell("plan", "r1")]


def test_the_last_settled_chunk_rings_for_the_finish(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1", chunks=2, read=20)
    leases = [Lease("c", "r1", bell.chunk, bell.token) for bell in bells]
    for lease in leases:
        assert ledger.slots.begin(lease) is not None
    assert ledger.slots.settle(leases[0], took=timedelta(seconds=1), outcomes={"created": 10}) == (True, [])
    assert ledger.runs.seal(claim, []) == (True, [])
    assert ledger.slots.settle(
        leases[1], took=timedelta(seconds=1), outcomes={"updated": 9, "rejected": 1}
    ) == (
        True,
        [Bell("finish", "r1")],
    )
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, ["failed"])[0] == "partial"
    document = ledger.runs.document("r1")
    assert document.profiles["created"] == 10
    assert document.profiles["updated"] == 9
    assert document.profiles["rejected"] == 1
    assert (document.chunks.total, document.chunks.done) == (2, 2)
    assert document.api_calls == 2


def test_a_run_without_anything_to_send_is_finished_too(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.surveyed(claim, read=0)
    assert ledger.runs.seal(claim, []) == (True, [Bell("finish", "r1")])


def test_stopping_a_run_awaits_its_open_calls_and_fails_the_rest(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1", chunks=12, read=120)
    ledger.runs.seal(claim, [])
    in_flight = Lease("c", "r1", bells[0].chunk, bells[0].token)
    assert ledger.slots.begin(in_flight) is not None
    assert ledger.runs.stop("r1", status="canceled", sentence="Canceled.") == (True, [])
    granted = Lease("c", "r1", bells[1].chunk, bells[1].token)
    assert ledger.slots.begin(granted) is None
    _, after = ledger.slots.settle(in_flight, took=timedelta(seconds=1), outcomes={"created": 10})
    assert after == [Bell("finish", "r1")]
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, [])[0] == "canceled"
    profiles = ledger.runs.document("r1").profiles
    assert (profiles["created"], profiles["failed"]) == (10, 110)
    assert {chunk.reason for chunk in ledger.runs.failed_chunks("r1").values()} == {"not_sent"}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (ParkReason.UNAVAILABLE, "unseen"),
        (ParkReason.THROTTLED, "not_sent"),
        (ParkReason.DEFERRED, "not_sent"),
    ],
)
def test_a_stopped_run_tells_who_may_have_arrived(ledger: Ledger, reason: ParkReason, code: str) -> None:
    """A call was made and its end not seen: what is given up then may be at Mailchimp all the same."""
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1")
    ledger.runs.seal(claim, [])
    lease = Lease("c", "r1", bells[0].chunk, bells[0].token)
    assert ledger.slots.begin(lease) is not None
    ledger.slots.park(
        lease, reason=reason, delay=timedelta(seconds=9), may_be_open=False, took=timedelta(seconds=1)
    )
    ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    (given_up,) = ledger.runs.failed_chunks("r1").values()
    assert (given_up.reason, given_up.unsure) == (code, code == "unseen")


def test_parts_that_an_answer_left_out_may_have_arrived(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1")
    ledger.runs.seal(claim, [])
    lease = Lease("c", "r1", bells[0].chunk, bells[0].token)
    assert ledger.slots.begin(lease) is not None
    ledger.slots.settle(
        lease, took=timedelta(seconds=1), outcomes={"created": 8}, children=[Child([3, 4])], attempts=1
    )
    ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    assert [(each.members, each.unsure) for each in ledger.runs.failed_chunks("r1").values()] == [
        ([3, 4], True)
    ]


def test_profiles_of_a_plan_that_broke_off_count_as_failed(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1", chunks=1, read=500)
    lease = Lease("c", "r1", bells[0].chunk, bells[0].token)
    assert ledger.slots.begin(lease) is not None
    ledger.runs.abort(claim, status="failed", sentence="The store is full.")
    ledger.slots.settle(lease, took=timedelta(seconds=1), outcomes={"created": 10})
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, [])[0] == "failed"
    profiles = ledger.runs.document("r1").profiles
    assert (profiles["read"], profiles["created"], profiles["failed"]) == (500, 10, 490)


def test_what_an_earlier_plan_has_counted_counts_no_more(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, _ = ledger.planned("r1")
    ledger.runs.count_removed(claim, 7)
    assert ledger.runs.document("r1").removed == 7
    ledger.pass_time(timedelta(minutes=1))
    assert ledger.runs.claim_plan("r1", tries=3) is not None
    assert ledger.runs.document("r1").removed == 0


def test_a_run_whose_time_is_over_fails_what_waits(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    ledger.slots.pause("c")
    claim, _ = ledger.planned("r1", chunks=3, read=30)
    ledger.runs.seal(claim, [])
    ledger.pass_time(timedelta(hours=25))
    assert ledger.tend("r1") == [Bell("finish", "r1")]
    assert ledger.runs.document("r1").profiles["failed"] == 30


def test_a_finish_that_was_killed_is_rung_again(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.surveyed(claim, read=0)
    ledger.runs.seal(claim, [])
    assert ledger.runs.claim_finish("r1") is not None
    assert ledger.runs.claim_finish("r1") is None
    ledger.pass_time(timedelta(seconds=25))
    assert ledger.tend("r1") == [Bell("finish", "r1")]
    assert ledger.runs.claim_finish("r1") is not None


def test_the_chunk_that_kills_its_worker_three_times_is_set_aside(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, bells = ledger.planned("r1")
    ledger.runs.seal(claim, [])
    rung: list[Bell] = []
    for _ in range(3):
        assert ledger.slots.begin(Lease("c", "r1", bells[0].chunk, bells[0].token)) is not None
        ledger.pass_time(timedelta(seconds=60))
        bells = rung = ledger.slots.grant("c")
    assert rung == [Bell("finish", "r1")]
    assert [chunk.reason for chunk in ledger.runs.failed_chunks("r1").values()] == ["kills_workers"]


def test_an_unknown_run_is_named_in_one_sentence(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"There is no run r9: see .*\."):
        ledger.runs.document("r9")


def test_the_newest_runs_come_first(ledger: Ledger) -> None:
    for number, export in enumerate(["a", "b", "a"]):
        ledger.pass_time(timedelta(seconds=1))
        ledger.runs.create(f"r{number}", export=export, trigger=MANUAL)
    assert [run.run_id for run in ledger.runs.recent()] == ["r2", "r1", "r0"]
    assert [run.run_id for run in ledger.runs.recent(export="a", most=1)] == ["r2"]


def test_python_and_lua_name_the_same_keys(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=REFRESH, segments=["s"])
    ledger.planned("r1")
    found = set(ledger.client.scan_iter("*"))
    named = {
        keys.run("r1"),
        keys.chunks("r1"),
        keys.open_chunks("r1"),
        keys.connection("c"),
        keys.leases("c"),
        keys.export("e"),
        keys.RUNS,
        keys.ACTIVE,
        keys.CONNECTIONS,
    }
    assert named <= found


def test_a_held_run_waits_for_a_person(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    assert ledger.surveyed(claim)
    assert ledger.runs.hold(claim, "It would take out everybody.") == (True, [])
    assert ledger.runs.offer(claim, [("1-0", 10, "0:0:1")])[0] is False
    ledger.pass_time(timedelta(minutes=1))
    assert ledger.tend("r1") == []
    assert ledger.runs.document("r1").status == "held"
    assert ledger.runs.approve("r1") == (True, [Bell("plan", "r1")])
    again = ledger.runs.claim_plan("r1", tries=3)
    facts = ledger.runs.facts("r1")
    assert again is not None
    assert facts is not None
    assert facts.approved
    assert ledger.runs.document("r1").error is None


def test_a_newer_run_takes_the_place_of_a_held_one(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.runs.hold(claim, "It would take out everybody.")
    assert ledger.runs.create("r2", export="e", trigger=MANUAL) == ("r2", [Bell("plan", "r2")])
    assert ledger.runs.document("r1").status == "skipped"


def test_a_held_run_can_be_canceled(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.runs.hold(claim, "It would take out everybody.")
    ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    assert ledger.runs.document("r1").status == "canceled"


def canary(ledger: Ledger) -> tuple[PlanClaim, Lease]:
    """A run whose canary is granted while two uploads and a removal wait behind it."""
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    assert ledger.surveyed(claim, read=30)
    (bell,) = ledger.runs.offer(claim, [("1-0", 10, "0:0:1")], phase=0)[1]
    assert ledger.runs.offer(claim, [("1-1", 10, "0:1:1"), ("1-2", 10, "0:2:1")]) == (True, [])
    assert ledger.runs.offer(claim, [("1-3", 0, "0:3:1")], phase=2) == (True, [])
    lease = Lease("c", "r1", bell.chunk, bell.token)
    assert ledger.slots.begin(lease) is not None
    return claim, lease


def settle(ledger: Ledger, lease: Lease) -> list[Bell]:
    counted, bells = ledger.slots.settle(lease, took=timedelta(seconds=1), outcomes={"created": 10})
    assert counted
    return bells


def test_uploads_wait_for_the_canary_and_removals_for_the_uploads(ledger: Ledger) -> None:
    claim, lease = canary(ledger)
    ledger.runs.pass_canary("r1")
    uploads = settle(ledger, lease)
    assert [bell.chunk for bell in uploads] == ["1-1", "1-2"]
    for bell in uploads:
        assert ledger.slots.begin(Lease("c", "r1", bell.chunk, bell.token)) is not None
    assert settle(ledger, Lease("c", "r1", uploads[0].chunk, uploads[0].token)) == []
    assert settle(ledger, Lease("c", "r1", uploads[1].chunk, uploads[1].token)) == []
    (removal,) = ledger.runs.seal(claim, [])[1]
    assert removal.chunk == "1-3"
    assert ledger.slots.begin(Lease("c", "r1", removal.chunk, removal.token)) is not None
    finish = Lease("c", "r1", removal.chunk, removal.token)
    assert ledger.slots.settle(finish, took=timedelta(), outcomes={"removed": 4})[1] == [Bell("finish", "r1")]
    assert ledger.runs.document("r1").removed == 4


def test_behind_a_canary_that_showed_nothing_another_one_goes_first(ledger: Ledger) -> None:
    claim, lease = canary(ledger)
    (other,) = settle(ledger, lease)
    assert other.chunk == "1-1"
    assert ledger.runs.seal(claim, []) == (True, [])
    again = ledger.slots.begin(Lease("c", "r1", other.chunk, other.token))
    assert again is not None
    assert again.phase == 0
    assert [bell.chunk for bell in ledger.runs.pass_canary("r1")] == []
    (upload,) = settle(ledger, Lease("c", "r1", other.chunk, other.token))
    assert upload.chunk == "1-2"


def test_a_canary_that_shows_harm_stops_everything_behind_it(ledger: Ledger) -> None:
    claim, lease = canary(ledger)
    ledger.runs.stop("r1", status="failed", sentence="The canary showed harm.")
    ledger.runs.seal(claim, [])
    assert settle(ledger, lease) == [Bell("finish", "r1")]
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, [])[0] == "failed"
    profiles = ledger.runs.document("r1").profiles
    assert (profiles["created"], profiles["failed"]) == (10, 20)


def test_a_canary_can_make_the_plan_void(ledger: Ledger) -> None:
    claim, lease = canary(ledger)
    assert ledger.runs.replan("r1", claim.epoch) == [Bell("plan", "r1")]
    assert ledger.runs.replan("r1", claim.epoch) == []
    assert ledger.runs.offer(claim, [("1-9", 10, "0:0:1")])[0] is False
    settle(ledger, lease)
    again = ledger.runs.claim_plan("r1", tries=3)
    assert again is not None
    assert again.epoch == 2
    assert ledger.runs.document("r1").profiles["created"] == 0


def test_somebody_subscribed_again_makes_a_run_fail(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim, (bell,) = ledger.planned("r1")
    ledger.runs.seal(claim, [])
    lease = Lease("c", "r1", bell.chunk, bell.token)
    assert ledger.slots.begin(lease) is not None
    ledger.slots.settle(lease, took=timedelta(), outcomes={"updated": 10, "resubscribed": 1})
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, [])[0] == "failed"
    assert ledger.runs.document("r1").resubscribed == 1


def test_a_finished_run_names_the_snapshot_that_counts(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.surveyed(claim, read=0)
    ledger.runs.seal(claim, [])
    assert ledger.runs.snapshot("e") == ""
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    ledger.runs.finish(finish, [], snapshot="r1-1")
    assert ledger.runs.snapshot("e") == "r1-1"


def test_a_late_approval_gives_a_run_its_time_anew(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.runs.hold(claim, "It would take out everybody.")
    ledger.pass_time(timedelta(hours=30))
    assert ledger.tend("r1") == []
    ledger.runs.approve("r1")
    again, bells = ledger.planned("r1")
    assert ledger.tend("r1") == []
    assert ledger.slots.begin(Lease("c", "r1", bells[0].chunk, bells[0].token)) is not None
    assert again.epoch == 2


def test_a_held_run_that_is_no_longer_remembered_blocks_nobody(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.runs.hold(claim, "It would take out everybody.")
    ledger.client.delete(keys.run("r1"))
    assert ledger.runs.create("r2", export="e", trigger=MANUAL) == ("r2", [Bell("plan", "r2")])


def test_a_run_that_can_not_be_planned_in_its_time_fails(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    claim = ledger.runs.claim_plan("r1", tries=3)
    assert claim is not None
    ledger.runs.defer(claim, delay=timedelta(seconds=15))
    ledger.pass_time(timedelta(hours=25))
    assert ledger.tend("r1") == [Bell("finish", "r1")]
    finish = ledger.runs.claim_finish("r1")
    assert finish is not None
    assert ledger.runs.finish(finish, [])[0] == "failed"
    assert "could not be planned" in (ledger.runs.document("r1").error or "")


def test_a_removed_export_is_forgotten_once_nothing_of_it_runs(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=REFRESH, segments=["a"])
    ledger.runs.create("r2", export="e", trigger=MANUAL)
    ledger.client.set(keys.snapshot("e"), "v1")
    assert not ledger.runs.forget_export("e")
    for run_id in ("r1", "r2"):
        ledger.runs.stop(run_id, status="canceled", sentence="Canceled.")
    assert ledger.runs.forget_export("e")
    assert list(ledger.client.scan_iter(match=f"{keys.export('e')}*")) == []
    assert ledger.runs.create("r3", export="e", trigger=REFRESH, segments=["a"])[0] == "r3"


def test_no_call_begins_on_a_removed_connection_and_its_keys_go_with_the_last_one(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    _, bells = ledger.planned("r1", chunks=2)
    leases = [Lease("c", bell.run_id, bell.chunk, bell.token) for bell in bells]
    assert ledger.slots.begin(leases[0])
    ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    ledger.slots.drop("c")
    assert ledger.slots.begin(leases[1]) is None
    wish = timedelta(seconds=1)
    assert not ledger.slots.borrow("c", max_connections=10, token="t", patience=wish)  # noqa: S106
    settled, _ = ledger.slots.settle(leases[0], took=timedelta(seconds=1), outcomes={"created": 10})
    assert settled
    assert list(ledger.client.scan_iter(match=f"{keys.connection('c')}*")) == []
    assert ledger.slots.working() == []


def test_a_call_on_a_removed_connection_whose_end_nobody_saw_is_forgotten_in_time(ledger: Ledger) -> None:
    ledger.runs.create("r1", export="e", trigger=MANUAL)
    _, bells = ledger.planned("r1")
    assert ledger.slots.begin(Lease("c", "r1", bells[0].chunk, bells[0].token))
    ledger.runs.stop("r1", status="canceled", sentence="Canceled.")
    ledger.slots.drop("c")
    for _ in range(2):
        ledger.pass_time(timedelta(minutes=5))
        for connection in ledger.slots.working():
            ledger.slots.grant(connection)
    assert list(ledger.client.scan_iter(match=f"{keys.connection('c')}*")) == []
