"""The rows of the fault table about processes: killed, frozen, replaced, at every stage of a run."""

import os
import signal
import time

import pytest

from tests.catalogs import two_segments
from tests.chaos.failpoints import Action, Fired, Hit, Order
from tests.chaos.faulty import FaultySystem
from tests.chaos.sampling import some
from tests.fundamentals.audit import assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.profiles import Segments
from tests.system import wait_until
from worker import messages
from worker.exports.runs import RunDocument
from worker.state import keys

UPLOAD = "POST /lists/[*]"


@pytest.fixture
def system(faulty: FaultySystem) -> FaultySystem:
    """The running system with an empty ledger, an empty audience and a catalog."""
    faulty.reset()
    faulty.apply(two_segments(faulty.data))
    faulty.wait_for_workers(2)
    faulty.failpoints.clear()
    return faulty


def ended_with(system: FaultySystem, made: Segments, *orders: Order) -> RunDocument:
    """A run during which a process was killed at each of these points, and its worker started again."""
    system.failpoints.arm(*orders)
    run = system.finished(refresh(system, made))
    wait_until(lambda: len(system.failpoints.fired()) == len(orders), "all orders are carried out")
    wait_until(lambda: len(system.ended) == len(orders), "each worker has ended")
    return run


def fired(system: FaultySystem) -> Fired:
    """The one order that was carried out, when it was."""
    wait_until(lambda: bool(system.failpoints.fired()), "the order is carried out")
    return system.failpoints.fired()[0]


def assert_remembered(system: FaultySystem, run: RunDocument, made: Segments) -> None:
    """The snapshot that counts is whole: another refresh finds everybody as they were left."""
    system.failpoints.clear()
    again = system.finished(refresh(system, made, "again"))
    assert again.profiles["unchanged"] == run.profiles["created"] + run.profiles["updated"]
    assert again.profiles["created"] == again.profiles["updated"] == 0


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    some(
        [
            "after rename staged",
            "before seal_plan",
            "after claim_plan",
            "before survey_plan",
            "after write staged",
            "before rename snapshots",
            "after seal_plan",
        ],
        2,
    ),
)
def test_a_worker_is_killed_while_planning(system: FaultySystem, small: Segments, point: str) -> None:
    """Planned again, exact; no chunk of the first plan survives."""
    run = ended_with(system, small, Order(point))
    assert_exact(system, run, small)
    plans = {str(name).partition("-")[0] for name in system.ledger.hkeys(keys.chunks(run.run_id))}
    assert len(plans) == 1, "chunks of one plan, and of no other"


def test_a_worker_is_killed_between_grant_and_enqueue(system: FaultySystem, small: Segments) -> None:
    """The chunk is granted and nobody is told: its lease expires, it is granted again."""
    run = ended_with(system, small, Order("before enqueue upload_chunk"))
    assert_exact(system, run, small)


@pytest.mark.parametrize(
    "point",
    some(
        [
            pytest.param(f"before {UPLOAD}", id="before the call"),
            pytest.param(f"after {UPLOAD}", id="after the answer"),
            pytest.param("before settle", id="before settling"),
            pytest.param("after settle", id="after settling"),
            pytest.param("before write reports", id="before its report is written"),
        ],
        3,
    ),
)
def test_a_worker_is_killed_around_a_call(system: FaultySystem, small: Segments, point: str) -> None:
    """Sent again, settled once, counted once: the sum is that of the profiles read."""
    run = ended_with(system, small, Order(point, nth=4))
    assert_exact(system, run, small)
    assert run.profiles["failed"] == 0


def test_a_worker_is_killed_during_a_call(system: FaultySystem, small: Segments) -> None:
    """Mailchimp gets it and applies it; the second time the same people are updated."""
    system.standin.set_latency(0.4)
    run = ended_with(system, small, Order(f"before {UPLOAD}", nth=4, seconds=0.2))
    assert_exact(system, run, small)
    assert run.profiles["failed"] == 0
    assert run.profiles["updated"] > 0


@pytest.mark.parametrize("point", ["before rename snapshots", "after rename snapshots"])
def test_a_worker_is_killed_while_finishing_around_the_snapshots_commit(
    system: FaultySystem, small: Segments, point: str
) -> None:
    """What is remembered is whole, old or new, and the run ends once."""
    system.finished(refresh(system, small))
    names = [hit.point for hit in system.failpoints.hits()]
    commits = names[: names.index("after claim_finish")].count(point)
    system.reset()
    system.apply(two_segments(system.data))
    run = ended_with(system, small, Order(point, nth=commits + 1))
    assert_exact(system, run, small)
    assert_remembered(system, run, small)


@pytest.mark.parametrize(
    "point",
    some(
        [
            "after finish_run",
            "before finish_run",
            "before tidied",
            "after claim_finish",
            "before delete staged",
        ],
        2,
    ),
)
def test_a_worker_is_killed_while_finishing(system: FaultySystem, small: Segments, point: str) -> None:
    """Finished again if it was not, tidied if it was; staged data is gone in the end."""
    run = ended_with(system, small, Order(point))
    assert_exact(system, run, small)
    staged = system.folder / "store" / "staged"
    wait_until(lambda: not any(path.is_file() for path in staged.rglob("*")), "staged data is gone")
    assert_remembered(system, run, small)


def test_one_process_of_several_dies(system: FaultySystem, large: Segments) -> None:
    """Its main process stops all and says so by its status; the process manager starts it again."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done >= 5, "the run is under way")
    (worker,) = system.workers
    os.kill(system.children(worker)[0], signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: bool(system.ended), "the whole worker has ended")
    assert system.ended[0].status != 0
    run = system.finished(run_id)
    seconds = time.monotonic() - killed
    assert_exact(system, run, large)
    assert run.profiles["failed"] == 0
    print(f"one process of several killed: all delivered after {seconds:.1f} s")


# --- frozen ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [pytest.param(f"before {UPLOAD}", id="before the call"), pytest.param("before settle", id="after it")],
)
def test_a_worker_is_frozen_beyond_its_lease_and_thawed(
    system: FaultySystem, small: Segments, point: str
) -> None:
    """What it held is delivered by others; its own late settling is refused, and changes nothing."""
    action: Action = "freeze"
    system.failpoints.arm(Order(point, action, nth=4))
    run_id = refresh(system, small)
    frozen = fired(system)
    try:
        run = system.finished(run_id)
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    late = "before settle" if point.endswith(UPLOAD) else "after settle"
    wait_until(
        lambda: any(hit.pid == frozen.pid and hit.point == late for hit in _since(system, frozen.at)),
        "the frozen worker goes on",
    )
    wait_until(lambda: "chunk.settled_late" in system.log.read_text(), "its settling was refused")
    assert system.runs.document(run_id) == run
    assert_exact(system, run, small)
    # its other threads were frozen, too: nothing of theirs may come in later
    os.kill(frozen.pid, signal.SIGKILL)
    wait_until(lambda: bool(system.ended), "the process manager starts it again")


def _since(system: FaultySystem, at: float) -> list[Hit]:
    return [hit for hit in system.failpoints.hits() if hit.at > at]


# --- replaced -------------------------------------------------------------------------------------


def test_a_deploy_mixes_the_old_and_the_new_version(system: FaultySystem, large: Segments) -> None:
    """New workers start beside old ones, which are told to stop under load: no call is lost."""
    system.standin.set_latency(0.3)
    (old,) = system.workers
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done >= 5, "the run is under way")
    with system.versioned(messages.VERSION + 1):
        new = system.start_worker()
        system.wait_for_workers(4)
        os.killpg(old.pid, signal.SIGTERM)
        wait_until(lambda: bool(system.ended), "the old worker has ended", timeout=20)
        assert system.ended[0].status == 0
        run = system.finished(run_id)
    assert_exact(system, run, large)
    assert run.api_calls == sum(system.standin.account().statistics().calls.values())
    assert run.profiles["updated"] == 0, "nothing was sent twice"
    system.kill_worker(new)


def test_a_message_of_another_version_is_understood(system: FaultySystem, small: Segments) -> None:
    """What a newer producer has sent is done by an older worker."""
    small.write(system.data / "r1")
    with system.versioned(messages.VERSION + 1):
        started = system.command_under_test("refresh", "r1")
    assert started.returncode == 0, started.stderr
    (stored,) = system.runs.recent(most=10)
    assert_exact(system, system.finished(stored.run_id), small)


def test_the_producer_is_killed_between_storing_a_run_and_emitting(
    system: FaultySystem, small: Segments
) -> None:
    """The sweeper emits it; told of the same refresh again, the producer names the same run."""
    small.write(system.data / "r1")
    system.failpoints.arm(Order("before enqueue export_segment"))
    killed = system.command_under_test("refresh", "r1")
    assert killed.returncode == -signal.SIGKILL
    (stored,) = system.runs.recent(most=10)
    run = system.finished(stored.run_id)
    assert_exact(system, run, small)
    (again,) = system.ask("refresh", "r1")["runs"]
    assert again["run_id"] == run.run_id
