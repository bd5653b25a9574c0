"""The rows of the fault table about a Redis that forgets, or may: cut short, evicting, emptied."""

import os
import subprocess

import pytest

from tests.catalogs import two_segments
from tests.chaos.faulty import FaultySystem
from tests.chaos.redis_runs import assert_unharmed, begun, done, emptied
from tests.fundamentals.test_the_main_job import refresh
from tests.profiles import Segments
from tests.system import BIN, wait_until


@pytest.fixture
def system(faulty: FaultySystem) -> FaultySystem:
    """The running system with an empty ledger, an empty audience and a catalog."""
    emptied(faulty)
    return faulty


def test_the_last_second_of_the_append_only_file_is_lost(system: FaultySystem, large: Segments) -> None:
    """What `appendfsync everysec` may lose: that work is repeated, its effect is not."""
    run_id = begun(system, large)
    (file,) = (system.folder / "valkey" / "appendonlydir").glob("*.incr.aof")
    kept, known = file.stat().st_size, done(system, run_id)
    wait_until(lambda: done(system, run_id) >= known + 12, "a second and more has passed")
    system.valkey.terminate()
    os.truncate(file, kept)
    system.start_valkey()
    assert done(system, run_id) <= known + 10, "the ledger has forgotten"
    run = system.finished(run_id)
    assert_unharmed(system, run, large)
    assert run.profiles["updated"] > 0, "who was there already when they were sent again"


def test_a_redis_that_evicts_is_refused_at_the_start_and_by_doctor(system: FaultySystem) -> None:
    """In one sentence with what to set; no worker begins on a ledger that may be thrown away."""
    system.ledger.config_set("maxmemory-policy", "allkeys-lru")
    try:
        doctor = system.command("doctor", check=False, capture_output=True)
        started = one_worker(system)
    finally:
        system.ledger.config_set("maxmemory-policy", "noeviction")
    sentence = "set maxmemory-policy to noeviction"
    assert doctor.returncode == 1
    assert sentence in doctor.stdout + doctor.stderr
    assert started.returncode != 0
    assert sentence in started.stderr
    assert "Traceback" not in started.stderr


def one_worker(system: FaultySystem) -> "subprocess.CompletedProcess[str]":
    """A worker in the foreground, which is expected to end by itself."""
    command = [str(BIN / "dramatiq"), "worker.main:boot", "--processes", "1"]
    return subprocess.run(
        command, env=system.environment, text=True, capture_output=True, check=False, timeout=30
    )


def test_all_of_redis_is_lost_between_runs(system: FaultySystem, large: Segments) -> None:
    """Catalog, runs and snapshots are gone; applied again, the next run is a full one, and exact."""
    system.finished(refresh(system, large, "r1"))
    system.ledger.flushall()
    lost = system.command("refresh", "r2", check=False, capture_output=True)
    assert lost.returncode == 0, "nothing listens any more"
    system.apply(two_segments(system.data))
    run = system.finished(refresh(system, large, "r3"))
    assert run.profiles["unchanged"] == 0, "everything is sent"
    assert run.profiles["created"] == 0, "and everybody was there"
    assert_unharmed(system, run, large)


def test_all_of_redis_is_lost_in_the_middle_of_a_run(system: FaultySystem, large: Segments) -> None:
    """The run is gone with all the rest, and its workers go on; a full run repairs the audience."""
    begun(system, large)
    system.ledger.flushall()
    system.apply(two_segments(system.data))
    run = system.finished(refresh(system, large, "r2"))
    assert_unharmed(system, run, large)
    assert system.ended == []
