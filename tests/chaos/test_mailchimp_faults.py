"""The rows of the fault table about Mailchimp: what it refuses, forgets, delays and loses."""

import time
from collections import Counter

import msgspec
import polars as pl
import pytest

from tests.catalogs import TAGS, two_segments
from tests.chaos.sampling import some
from tests.chaos.skewed import OddSystem
from tests.fundamentals.audit import LIMIT, assert_accounted, assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin.faults import (
    Action,
    Bare,
    Broken,
    Delay,
    DeleteAudience,
    DeleteMergeField,
    DeleteTag,
    Refuse,
    Reset,
    RevokeKey,
    Swallow,
)
from tests.mailchimp_standin.reports import CallRecord, MemberView
from tests.mailchimp_standin.validation import MergeField
from tests.mailchimp_standin.world import LIST_ID
from tests.profiles import Segments, Shape, customers, split
from tests.system import wait_until
from worker.mailchimp.members import subscriber_hash
from worker.state import keys
from worker.state.slots import ChunkRecord

UPLOADS = {"method": "POST", "path": "/lists/[^/]+$"}
CONNECTION = "newsletter"


@pytest.fixture
def system(odd: OddSystem) -> OddSystem:
    """The running system with an empty ledger, an empty audience and a catalog."""
    odd.reset()
    odd.apply(two_segments(odd.data))
    return odd


def attempts(system: OddSystem, run_id: str) -> int:
    """How many attempts all chunks of a run have spent on faults."""
    records = system.ledger.hvals(keys.chunks(run_id))
    found = [msgspec.json.decode(record, type=ChunkRecord) for record in records]
    return sum(record.attempts for record in found)


def limit(system: OddSystem) -> int:
    """How many calls the connection may have open by now."""
    return int(float(system.ledger.hget(keys.connection(CONNECTION), "limit") or LIMIT))


def begun(system: OddSystem, made: Segments, chunks: int = 3) -> str:
    """A run of which some chunks are delivered."""
    run_id = refresh(system, made)
    reached(system, run_id, chunks)
    return run_id


def reached(system: OddSystem, run_id: str, chunks: int) -> None:
    """Waits until so many chunks of a run are delivered."""
    wait_until(lambda: system.runs.document(run_id).chunks.done >= chunks, f"{chunks} chunks are delivered")


def burst(system: OddSystem, answer: Action, hits: int) -> None:
    """Mailchimp gives this answer and no other, until so many calls have got it."""
    number = system.standin.add_fault(answer)
    wait_until(lambda: system.standin.fault_hits(number) >= hits, "the burst was felt")
    system.standin.remove_fault(number)


def calls_since(system: OddSystem, since: float) -> list[CallRecord]:
    return [call for call in system.standin.account().calls() if call.started >= since]


# --- throttling -----------------------------------------------------------------------------------


def test_others_use_six_of_ten_connections_for_a_while(system: OddSystem, large: Segments) -> None:
    """The limit goes down to what is left, and up again; no attempt is spent, few calls bounce."""
    account = system.standin.account()
    system.standin.set_latency(0.25)
    account.configure(others=6)
    run_id = begun(system, large, 14)
    narrow, bounced = limit(system), account.statistics().statuses[429]
    assert narrow <= 4
    account.configure(others=0)
    freed = time.time()
    with system.paced(60):  # it looks above the level that was throttled after half a minute
        run = system.finished(run_id)
    assert_exact(system, run, large)
    assert attempts(system, run_id) == 0
    assert bounced <= 24, "a handful a decrease, and not one for each chunk"
    assert account.high_water(since=freed + 0.5) > narrow
    assert limit(system) > narrow


def test_a_run_is_planned_while_others_use_nearly_all_connections(system: OddSystem, small: Segments) -> None:
    """Calls without a chunk teach the limit, too: reading an audience must not bounce for ever."""
    system.standin.set_latency(0.2)
    system.standin.account().configure(others=8)
    run = system.finished(refresh(system, small))
    assert_exact(system, run, small)
    assert attempts(system, run.run_id) == 0
    assert limit(system) <= 3
    put_off = [line for line in system.log.read_text().splitlines() if "plan.deferred" in line]
    assert not [line for line in put_off if run.run_id in line]


@pytest.mark.parametrize("answer", [Bare(429), Bare(403)], ids=["429", "403"])
def test_429_and_403_without_a_body_come_in_bursts(
    system: OddSystem, large: Segments, answer: Action
) -> None:
    """Everything is throttled for seconds, three times: that is waited for, and is nobody's fault."""
    system.standin.set_latency(0.1)
    run_id = begun(system, large)
    for chunks in (8, 14, 20):
        burst(system, answer, hits=8)
        reached(system, run_id, chunks)
    run = system.finished(run_id)
    assert_exact(system, run, large)
    assert run.profiles["failed"] == 0
    assert attempts(system, run_id) == 0


# --- outages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", some([Refuse(500), Broken(502), Bare(503), Reset(), Refuse(503)], 2), ids=repr
)
def test_500_502_and_503_come_in_bursts(system: OddSystem, large: Segments, fault: Action) -> None:
    """Everything fails for a while: one probe at a time, then on; each profile is counted once."""
    system.standin.set_latency(0.1)
    run_id = begun(system, large, 1)
    with system.paced(10):
        burst(system, fault, hits=12)
        run = system.finished(run_id)
    assert_exact(system, run, large)
    assert run.profiles["failed"] == 0


HOUR, PACE = 3600.0, 360


def test_an_outage_of_an_hour(system: OddSystem, large: Segments) -> None:
    """The ledger's hour passes in a quarter of a minute: few probes, no attempt spent, exact afterwards."""
    system.standin.set_latency(0.1)
    run_id = begun(system, large)
    number = system.standin.add_fault(Bare(503))
    with system.paced(PACE):
        over = system.machine.ledger + HOUR
        wait_until(lambda: system.machine.now() >= over, "the hour is over", timeout=60)
        probes = system.standin.fault_hits(number)
        spent = attempts(system, run_id)
        system.standin.remove_fault(number)
        healed = system.machine.now()
        done = system.runs.document(run_id).chunks.done
        wait_until(lambda: system.runs.document(run_id).chunks.done > done, "it goes on")
        recovery = system.machine.now() - healed
        run = system.finished(run_id)
    assert_exact(system, run, large)
    assert run.profiles["failed"] == 0
    assert probes <= 150, "ten calls were open when it began, then a probe a minute or so"
    # what was under way when it began, and what was granted before the last delivery was noted; no probe
    assert spent <= 2 * LIMIT < probes
    print(f"probes {probes}, attempts {spent}, recovery {recovery:.0f} s of the ledger's time")


@pytest.mark.parametrize("applied", [True, False], ids=["applied before", "applied after"])
def test_an_answer_comes_after_sixty_seconds(system: OddSystem, large: Segments, applied: bool) -> None:  # noqa: FBT001 - pytest's way
    """Longer than a call may take, several at once: sent again, counted once, never over the limit."""
    system.standin.set_latency(0.2)
    number = system.standin.add_fault(Delay(seconds=4, applied=applied), after=4, times=5, **UPLOADS)
    run = system.finished(refresh(system, large))
    wait_until(lambda: system.standin.account().open == 0, "what was given up has been applied, too")
    assert_exact(system, run, large)
    assert system.standin.fault_hits(number) == 5
    assert run.profiles["created"] + run.profiles["updated"] == len(system.standin.audience())
    if applied:
        assert run.profiles["updated"] >= 500, "who was there already when they were sent again"


def test_the_timeout_came_after_the_call_was_applied(system: OddSystem, small: Segments) -> None:
    """Every call is applied, and its connection breaks before the answer: the second time it is an update."""
    number = system.standin.add_fault(Reset(applied=True), after=2, times=5, **UPLOADS)
    run = system.finished(refresh(system, small))
    assert_exact(system, run, small)
    assert system.standin.fault_hits(number) == 5
    assert run.profiles["updated"] > 0


# --- answers that lack something ------------------------------------------------------------------


def test_the_answer_never_mentions_some_of_the_members(system: OddSystem, small: Segments) -> None:
    """They are asked for again, and end as failed with a reason: nobody is taken for delivered."""
    silent = "^customer.(1|2|3|1000)@"
    system.standin.add_fault(Swallow(pattern=silent, applied=False), **UPLOADS)
    run = system.finished(refresh(system, small))
    assert_accounted(system, run, small)
    failed = [line for line in system.report(run.run_id) if line["outcome"] == "failed"]
    assert run.profiles["failed"] == len(failed) >= 3
    assert {line["code"] for line in failed} == {"unanswered"}
    assert not {line["email"] for line in failed} & system.standin.audience().members().keys()
    system.standin.clear_faults()
    assert_exact(system, system.finished(refresh(system, small, "r2")), small)


# --- what vanishes in the middle of a run ---------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [(RevokeKey(), "API key"), (DeleteAudience(), f"no audience {LIST_ID}")],
    ids=["key revoked", "audience deleted"],
)
def test_a_key_or_an_audience_vanishes_in_the_middle(
    system: OddSystem, large: Segments, fault: Action, says: str
) -> None:
    """The run fails within seconds with what to do, the rest unsent and told; mended, a run heals it."""
    system.standin.set_latency(0.1)
    run_id = begun(system, large)
    began = time.time()
    system.standin.add_fault(fault, times=1, **UPLOADS)
    run = system.finished(run_id, timeout=10)
    assert run.status == "failed"
    assert says in (run.error or "")
    assert_accounted(system, run, large)
    assert run.profiles["created"] > 0
    codes = Counter(line["code"] for line in system.report(run_id) if line["outcome"] == "failed")
    assert set(codes) == {"not_sent"}
    assert len(calls_since(system, began)) <= 4 * LIMIT
    _mend(system)
    assert_exact(system, system.finished(refresh(system, large, "r2")), large)


def _mend(system: OddSystem) -> None:
    system.standin.account().configure(revoked=False)
    try:
        len(system.standin.audience())
    except KeyError:
        fresh = system.standin.add_audience(LIST_ID)
        fresh.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        fresh.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        system.command("run", "weekly-newsletter", "--full", "--wait", check=False, capture_output=True)


def test_a_key_is_revoked_when_all_is_sent(system: OddSystem, small: Segments) -> None:
    """Only the look at who said no is left, and can't be had: the run ends and says so, and does not hang."""
    email = next(email for email in small.loyal["email"] if email.startswith("customer"))
    system.standin.audience().seed([MemberView(email, "unsubscribed", {}, (), "self")])
    look = f"/members/{subscriber_hash(email)}"
    number = system.standin.add_fault(RevokeKey(), method="GET", path=look)
    run = system.finished(refresh(system, small), timeout=20)
    assert system.standin.fault_hits(number) == 1
    assert run.status == "failed"
    assert "API key" in (run.error or "")
    assert run.profiles["failed"] == 0
    assert_accounted(system, run, small)


def test_a_merge_field_is_deleted_in_the_middle(system: OddSystem, large: Segments) -> None:
    """Who was not yet sent is rejected for that field, in the report; put back, the next run sends them."""
    system.standin.set_latency(0.1)
    run_id = begun(system, large)
    system.standin.add_fault(DeleteMergeField(field="CITY"), times=1, **UPLOADS)
    run = system.finished(run_id)
    assert run.status == "partial"
    assert_accounted(system, run, large)
    lines = [line for line in system.report(run_id) if line["outcome"] == "rejected"]
    blamed = [line for line in lines if line["field"] == "CITY"]
    assert len(blamed) > 1_000
    again = system.finished(refresh(system, large, "r2"))
    assert again.status == "failed"
    assert 'no merge field "CITY"' in (again.error or "")
    system.standin.clear_faults()
    system.standin.audience().add_merge_field(MergeField(tag="CITY", name="City", type="text"))
    healed = system.finished(system.ask("run", "weekly-newsletter", "--full")["run_id"])
    assert_exact(system, healed, large)


@pytest.fixture
def clean() -> pl.DataFrame:
    """6,000 customers without a fault."""
    return customers(6_000, shape=Shape(malformed=0, duplicate=0, refused=0))


def test_a_tag_is_deleted_while_members_get_it(system: OddSystem, clean: pl.DataFrame) -> None:
    """Mailchimp makes it again for those who follow; whoever had it before gets it back by a full run."""
    made = split(clean)
    system.standin.set_latency(0.1)
    system.standin.add_fault(DeleteTag(name=TAGS[0]), nth=10, **UPLOADS)
    run = system.finished(refresh(system, made))
    assert run.status == "successful"
    assert 0 < system.standin.audience().tags()[TAGS[0]] < made.loyal.height
    system.standin.clear_faults()
    healed = system.finished(system.ask("run", "weekly-newsletter", "--full")["run_id"])
    assert_exact(system, healed, made)


def test_a_tag_is_deleted_while_it_is_taken_off(system: OddSystem, clean: pl.DataFrame) -> None:
    """The run fails with one sentence; nobody keeps a tag that is gone, and the next run goes through."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(clean)
    system.finished(refresh(system, made, "r1"))
    fewer = Segments(made.loyal[800:], made.churning, made.malformed)
    tag = {"method": "POST", "path": "/segments/"}
    number = system.standin.add_fault(DeleteTag(name=TAGS[0]), nth=1, **tag)
    run = system.finished(refresh(system, fewer, "r2"))
    assert system.standin.fault_hits(number) == 1
    assert run.status == "failed"
    assert "no such tag" in (run.error or "")
    healed = system.finished(system.ask("run", "weekly-newsletter", "--full")["run_id"])
    assert healed.status == "successful", healed.error
    assert system.standin.audience().tags()[TAGS[0]] == fewer.loyal.height


def test_a_velocity_refusal_is_tried_later_and_then_quarantined(
    system: OddSystem, clean: pl.DataFrame
) -> None:
    """Ten people: asked again after a while, when five of them are welcome; the others wait a day."""
    made = split(clean)
    hasty = made.loyal["email"].to_list()[100:110]
    audience = system.standin.audience()
    audience.refuse_velocity(hasty)
    number = system.standin.add_fault(Delay(seconds=0), **UPLOADS)
    run_id = refresh(system, made)
    wait_until(lambda: _only_the_hasty_wait(system, run_id), "all others are delivered")
    audience.refuse_velocity(hasty[:5])
    run = system.finished(run_id)
    assert (run.status, run.profiles["rejected"]) == ("partial", 5)
    rejected = {line["email"] for line in system.report(run_id) if line["outcome"] == "rejected"}
    assert rejected == set(hasty[:5])
    before = system.standin.fault_hits(number)
    again = system.finished(refresh(system, made, "r2"))
    assert (again.status, again.profiles["suppressed"]) == ("successful", 5)
    assert system.standin.fault_hits(number) == before


def _only_the_hasty_wait(system: OddSystem, run_id: str) -> bool:
    chunks = system.runs.document(run_id).chunks
    return (
        chunks.total > 1
        and chunks.done == chunks.total - 1
        and bool(system.ledger.zcard(f"{keys.run(run_id)}:ready"))
    )
