"""Whatever goes wrong on the way, the audience ends exactly right, or the run says in one sentence why."""

import os
import signal

import pytest

from tests.fundamentals.audit import assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin.faults import (
    Action,
    Bare,
    Broken,
    Delay,
    DeleteAudience,
    Refuse,
    Reset,
    RevokeKey,
    Swallow,
    Truncate,
    UnderReview,
)
from tests.profiles import Segments
from tests.system import System, wait_until

UPLOADS = {"method": "POST", "path": "/lists/[^/]+$"}


def test_a_killed_worker_costs_time_and_nothing_else(system: System, large: Segments) -> None:
    """SIGKILL in the middle: its chunks are granted again, counted once, and the audience is exact."""
    system.standin.set_latency(0.3)
    doomed = system.start_worker()
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 10, "the run is under way")
    system.kill_worker(doomed)
    assert_exact(system, system.finished(run_id, timeout=30), large)


def test_a_worker_that_is_told_to_stop_ends_its_calls_first(system: System, large: Segments) -> None:
    """SIGTERM, for the whole group as process managers do it: calls in flight end, no attempt is lost."""
    system.standin.set_latency(0.3)
    leaving = system.start_worker()
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 10, "the run is under way")
    os.killpg(leaving.pid, signal.SIGTERM)
    assert leaving.wait(timeout=20) == 0
    system.workers.remove(leaving)
    run = system.finished(run_id)
    assert_exact(system, run, large)
    assert run.api_calls == sum(system.standin.account().statistics().calls.values())


def test_all_messages_lost_costs_time_and_nothing_else(system: System, large: Segments) -> None:
    """The queue is a doorbell: emptied in the middle of a run, the ledger rings again."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 10, "the run is under way")
    for key in system.ledger.scan_iter("segment-export-queue:*"):
        system.ledger.delete(key)
    assert_exact(system, system.finished(run_id, timeout=60), large)


@pytest.mark.parametrize(
    "fault",
    [
        Bare(429),
        Bare(403),
        Refuse(429, title="Too Many Requests"),
        Refuse(500),
        Refuse(503, applied=True),
        Broken(502),
        Broken(200),
        Broken(200, applied=True),
        Truncate(),
        Reset(),
        Reset(applied=True),
        Reset(applied=True, share=0.5),
        Swallow(share=0.3),
        Swallow(share=0.3, applied=False),
    ],
    ids=repr,
)
def test_passing_faults_of_mailchimp_leave_no_trace(system: System, small: Segments, fault: Action) -> None:
    """A fault in one of three calls, for a while: tried again as long as it takes, then exact."""
    number = system.standin.add_fault(fault, probability=0.34, times=6, **UPLOADS)
    assert_exact(system, system.finished(refresh(system, small)), small)
    assert system.standin.fault_hits(number) > 0


def test_an_answer_that_never_comes_is_sent_again(system: System, small: Segments) -> None:
    """A call that was applied but not answered in time is unknown, not failed."""
    system.standin.add_fault(Delay(seconds=6, applied=True), times=1, **UPLOADS)
    assert_exact(system, system.finished(refresh(system, small)), small)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (RevokeKey(), "API key"),
        (Refuse(403, title="Forbidden", detail="The user does not have permission."), "forbids"),
        (DeleteAudience(), "audience"),
        (UnderReview(), "review"),
    ],
    ids=["key revoked", "not permitted", "audience deleted", "account under review"],
)
def test_a_refusal_of_the_whole_connection_ends_the_run_with_one_sentence(
    system: System, small: Segments, fault: Action, says: str
) -> None:
    """The run fails at once, says what to do, and leaves the rest unsent."""
    system.standin.add_fault(fault, nth=3, **UPLOADS)
    run = system.finished(refresh(system, small))
    assert run.status == "failed"
    assert run.error is not None
    assert says.lower() in run.error.lower()
    assert sum(run.profiles.values()) == 2 * run.profiles["read"]


def test_a_run_whose_first_members_are_all_refused_goes_on_with_the_others(
    system: System, small: Segments
) -> None:
    """The members that go first may be the ones to blame; nothing is learned from them then."""
    system.standin.add_fault(Refuse(400, title="Invalid Resource", detail="No."), times=5, **UPLOADS)
    run = system.finished(refresh(system, small), timeout=10)
    assert run.status == "partial"
    assert run.profiles["created"] > 0
