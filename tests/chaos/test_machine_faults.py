"""The rows of the fault table about the machine: clocks apart, a disk that fails, fifty exports at once."""

import re
import time

import pytest

from tests.catalogs import TAGS, two_segments
from tests.chaos.sampling import some
from tests.chaos.skewed import OddSystem
from tests.fundamentals.audit import LIMIT, assert_exact
from tests.fundamentals.test_many_runs import LIMITS, REFUSED, Planned, catalog_of, key_of
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin.reports import digest
from tests.mailchimp_standin.validation import MergeField
from tests.profiles import Segments, Shape, expected_members, segments
from tests.system import wait_until
from worker.state import keys
from worker.state.client import read_hash

AHEAD = 30.0
EXPORTS, BIG, SMALL = 50, 20_000, 400


@pytest.fixture
def system(odd: OddSystem) -> OddSystem:
    """The running system with an empty ledger, an empty audience and a catalog."""
    odd.reset()
    odd.apply(two_segments(odd.data))
    return odd


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", some([AHEAD, -AHEAD], 1))
def test_the_clocks_of_two_machines_are_thirty_seconds_apart(
    system: OddSystem, large: Segments, ahead: float
) -> None:
    """Far more than a lease: neither takes the other for dead, for leases live by the server's clock."""
    system.standin.set_latency(0.2)
    other = system.start_skewed_worker(ahead)
    try:
        wait_until(lambda: system.ledger.zcard(keys.WORKERS) >= 4, "both machines have said that they live")
        run = system.finished(refresh(system, large))
        assert_exact(system, run, large)
        records = read_hash(system.ledger, keys.chunks(run.run_id))
        assert not any('"k"' in record for record in records.values()), "a chunk was taken from the living"
    finally:
        system.kill_worker(other)


# --- the store ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "says"), [("full", "is full"), ("forbidden", "may not be read and written")]
)
def test_the_disk_is_full_or_forbidden_when_a_run_begins(
    system: OddSystem, small: Segments, state: str, says: str
) -> None:
    """The run fails with one sentence, and nothing was sent; with room again, the next run is exact."""
    with system.disk(state):  # type: ignore[arg-type]
        run = system.finished(refresh(system, small, "r1"))
    assert run.status == "failed"
    assert says in (run.error or "")
    assert len(system.standin.audience()) == 0
    assert_exact(system, system.finished(refresh(system, small, "r2")), small)


@pytest.mark.parametrize("state", some(["full", "forbidden"], 1))
def test_the_disk_is_full_or_forbidden_in_the_middle_of_a_run(
    system: OddSystem, large: Segments, state: str
) -> None:
    """What can't be written waits; nothing half-written is taken for whole; then it is exact."""
    system.standin.set_latency(0.1)
    start = system.log.stat().st_size
    run_id = refresh(system, large)
    wait_until(lambda: b"plan.sealed" in system.log.read_bytes()[start:], "all is staged")
    with system.disk(state):  # type: ignore[arg-type]
        troubled = re.compile(rb"store.trouble|finish.waits")
        wait_until(
            lambda: bool(troubled.search(system.log.read_bytes(), start)), "something can't be written"
        )
        assert not system.runs.document(run_id).ended
    assert_exact(system, system.finished(run_id), large)
    again = system.finished(refresh(system, large, "again"))
    assert again.profiles["created"] == again.profiles["updated"] == 0, "what is remembered is whole"


def test_the_disk_is_slow(system: OddSystem, small: Segments) -> None:
    """Planning takes longer than a lease: its claim is renewed meanwhile, and nobody does it twice."""
    with system.disk("slow", seconds=0.4):
        run = system.finished(refresh(system, small))
    assert_exact(system, run, small)
    assert run.profiles["updated"] == 0


# --- many runs ------------------------------------------------------------------------------------


def _plans() -> list[Planned]:
    """The first one is big; they take the connections in turns."""
    connections = list(LIMITS)
    shape = Shape(refused=REFUSED)
    made = [segments(SMALL, seed=seed, shape=shape) for seed in range(4)]
    big = segments(BIG, seed=9, shape=shape)
    return [
        Planned(
            name=f"export-{number}",
            connection=connections[number % len(connections)],
            audience_id=f"audience{number:02}",
            made=made[number % 4] if number else big,
        )
        for number in range(EXPORTS)
    ]


def test_fifty_exports_run_at_once_on_three_connections(odd: OddSystem) -> None:
    """Each is exact, no connection sees a call too many, and small ones end before the big one."""
    odd.reset()
    plans = _plans()
    _set_up(odd, plans)
    odd.standin.set_latency(0.15)
    began = time.monotonic()
    started = odd.ask("refresh", "r1")["runs"]
    ended = {run["export"]: odd.finished(run["run_id"]) for run in started}
    print(f"{EXPORTS} exports: {time.monotonic() - began:.1f} s")
    for plan in plans:
        run, audience = ended[plan.name], odd.standin.audience(plan.audience_id)
        assert (run.status, run.profiles["rejected"]) == ("partial", REFUSED), run.error
        assert sum(run.profiles.values()) == 2 * plan.made.rows
        assert audience.digest() == digest(expected_members(plan.made, TAGS))
        audience.delete()
    for name, most in LIMITS.items():
        assert odd.standin.account(key_of(name)).high_water() <= most <= LIMIT
    beside = {plan.name for plan in plans[1:] if plan.connection == plans[0].connection}
    assert min(ended[name].finished_at or "" for name in beside) < (ended["export-0"].finished_at or "")


def _set_up(system: OddSystem, plans: list[Planned]) -> None:
    for connection in LIMITS:
        system.standin.add_account(key_of(connection))
    for plan in plans:
        plan.made.write(system.data / plan.name)
        audience = system.standin.add_audience(plan.audience_id, api_key=key_of(plan.connection))
        audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
    system.apply(catalog_of(plans, system.data))
