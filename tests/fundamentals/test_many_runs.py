"""Many runs at once, over several accounts: each one exact, each account's limit held."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from tests.catalogs import TAGS, account
from tests.mailchimp_standin import LIST_ID
from tests.mailchimp_standin.reports import digest
from tests.mailchimp_standin.validation import MergeField
from tests.profiles import ATTRIBUTES, Segments, Shape, expected_members, segments
from tests.system import System, wait_until
from worker.exports.runs import RunDocument

LIMITS = {"wide": 10, "other": 10, "narrow": 3}
RUNS, BIG, SMALL = 12, 30_000, 1_250
LATENCY = 0.15
REFUSED = 3
WAITING = 20  # more than the session's worker has threads


@dataclass(frozen=True)
class Planned:
    """One export: its account, its audience, and what should be there in the end."""

    name: str
    connection: str
    audience_id: str
    made: Segments


def key_of(connection: str) -> str:
    return f"{connection:0<32}-us1"


def _plans() -> list[Planned]:
    """The first one is big; they take the connections in turns."""
    connections = list(LIMITS) * (RUNS // len(LIMITS))
    return [
        Planned(
            name=f"export-{number}",
            connection=connection,
            audience_id=f"audience{number:02}",
            made=segments(SMALL if number else BIG, seed=number, shape=Shape(refused=REFUSED)),
        )
        for number, connection in enumerate(connections)
    ]


def catalog_of(plans: list[Planned], data: Path) -> str:
    files = ("loyal-customers", "churn-risk")
    return json.dumps(
        {
            "connections": {
                name: account(key_of(name), max_connections=most) for name, most in LIMITS.items()
            },
            "segments": {
                f"{plan.name}-{file}": {
                    "display_name": tag,
                    "source": str(data / plan.name / f"{file}.parquet"),
                }
                for plan in plans
                for file, tag in zip(files, TAGS, strict=True)
            },
            "exports": {
                plan.name: {
                    "connection": plan.connection,
                    "audience_id": plan.audience_id,
                    "segments": [f"{plan.name}-{file}" for file in files],
                    "email": "email",
                    "attributes": ATTRIBUTES,
                }
                for plan in plans
            },
        }
    )


@pytest.fixture
def plans(running: System) -> Iterator[list[Planned]]:
    """Three accounts with their audiences, and a catalog of all exports."""
    running.reset()
    made, standin = _plans(), running.standin
    for connection in LIMITS:
        standin.add_account(key_of(connection))
    for plan in made:
        plan.made.write(running.data / plan.name)
        audience = standin.add_audience(plan.audience_id, api_key=key_of(plan.connection))
        audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
    running.apply(catalog_of(made, running.data))
    yield made
    for plan in made:
        standin.audience(plan.audience_id).delete()


def test_twelve_runs_over_three_accounts_are_all_exact(running: System, plans: list[Planned]) -> None:
    """A big one among small ones: every audience is right, and no account ever sees a call too many."""
    running.standin.set_latency(LATENCY)
    started = running.ask("refresh", "r1")["runs"]
    ended = {run["export"]: running.finished(run["run_id"]) for run in started}
    assert len(ended) == RUNS
    for plan in plans:
        _assert_exact(running, plan, ended[plan.name])
    seen = {name: running.standin.account(key_of(name)).high_water() for name in LIMITS}
    assert all(most <= LIMITS[name] for name, most in seen.items()), seen
    assert (seen["wide"], seen["narrow"]) == (10, 3), "as many calls as allowed, while there are as many"


def _assert_exact(running: System, plan: Planned, run: RunDocument) -> None:
    audience = running.standin.audience(plan.audience_id)
    assert run.status == "partial", run.error
    assert run.profiles["rejected"] == REFUSED
    assert run.profiles["read"] == plan.made.rows
    assert sum(run.profiles.values()) == 2 * run.profiles["read"]
    assert audience.digest() == digest(expected_members(plan.made, TAGS))
    assert audience.status_changes() == []


def test_runs_of_a_paused_connection_keep_no_worker_from_the_others(running: System) -> None:
    """However many of them wait: they hold no thread, so others are planned, and workers can stop."""
    running.reset()
    running.apply(_waiting(WAITING, running.data))
    running.command("pause", "narrow", capture_output=True)
    waiting = [run["run_id"] for run in running.ask("refresh", "r1")["runs"]]
    wait_until(lambda: _states(running, waiting) == {"planning"}, "all wait for the connection")
    other = running.ask("run", "other")["run_id"]
    assert running.finished(other, timeout=10).status == "successful"
    assert _states(running, waiting) == {"planning"}

    leaving = running.workers.pop()
    leaving.send_signal(signal.SIGTERM)
    assert leaving.wait(timeout=10) == 0
    running.start_worker()
    running.command("resume", "narrow", capture_output=True)
    assert {running.finished(run_id, timeout=30).status for run_id in waiting} == {"successful"}


def _states(running: System, run_ids: list[str]) -> set[str]:
    return {running.runs.document(run_id).status for run_id in run_ids}


def _waiting(count: int, data: Path) -> str:
    """So many exports on one connection, and one on another."""
    pl.DataFrame({"email": ["somebody@inbox.example"]}).write_parquet(data / "one.parquet")
    usual = {"audience_id": LIST_ID, "segments": ["one"], "email": "email"}
    exports = {f"waiting-{number}": {**usual, "connection": "narrow"} for number in range(count)}
    exports["other"] = {**usual, "connection": "other", "run": "manual"}
    return json.dumps(
        {
            "connections": {"narrow": account(), "other": account()},
            "segments": {"one": {"source": str(data / "one.parquet")}},
            "exports": exports,
        }
    )
