"""Runs during which something happens to Redis."""

import time

from tests.catalogs import two_segments
from tests.chaos.faulty import FaultySystem
from tests.fundamentals.audit import assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.profiles import Segments
from tests.system import wait_until
from worker.broker import dead_letters
from worker.exports.runs import RunDocument


def emptied(system: FaultySystem) -> None:
    """An empty ledger, an empty audience and a catalog; calls take a quarter of a second."""
    system.reset()
    system.apply(two_segments(system.data))
    system.standin.set_latency(0.25)
    system.wait_for_workers(2)
    system.ended.clear()


def done(system: FaultySystem, run_id: str) -> int:
    """How many of a run's chunks are delivered."""
    return system.runs.document(run_id).chunks.done


def begun(system: FaultySystem, made: Segments) -> str:
    """A run of which some chunks are delivered."""
    run_id = refresh(system, made)
    wait_until(lambda: done(system, run_id) >= 8, "the run is under way")
    return run_id


def goes_on(system: FaultySystem, run_id: str, *, until: int = 0) -> float:
    """Seconds until the next chunk is delivered, or so many are."""
    began, most = time.monotonic(), until or done(system, run_id) + 1
    wait_until(lambda: done(system, run_id) >= most, "the run goes on")
    return time.monotonic() - began


def assert_unharmed(system: FaultySystem, run: RunDocument, made: Segments) -> None:
    """Exact, nobody failed, and no alarm was raised for it."""
    assert_exact(system, run, made)
    assert run.profiles["failed"] == 0
    assert dead_letters(system.ledger) == 0
