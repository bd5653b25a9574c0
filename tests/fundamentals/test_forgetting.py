"""Who is forgotten is nowhere any more: not as they are called, nor as a hash, in all that is stored."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.catalogs import account
from tests.fundamentals.leaks import everything_in, files_below, found
from tests.fundamentals.opened import everything_opened
from tests.mailchimp_standin import LIST_ID, Delay
from tests.mailchimp_standin.reports import MemberView
from tests.system import System, wait_until
from worker.exports.statuses import hash_of
from worker.keyring import Keyring

MARK = "zxforgotten"
REFUSED, INVALID = f"{MARK}.refused@example.com", f"Ann <{MARK}.invalid@inbox.org>"
PLACES = {
    "snapshot": f"{MARK}.accepted@inbox.org",
    "quarantine and report": REFUSED,
    "report": f"{MARK}.invalid@inbox.org",
    "audience and report": f"{MARK}.left@inbox.org",
}
OTHERS = ["ben@inbox.org", "mary@inbox.org"]


@pytest.fixture
def keyring(running: System) -> Keyring:
    return Keyring([base64.b64decode(running.environment["SEGMENT_EXPORT_SECRET_KEYS"])])


@pytest.fixture
def source(running: System) -> Path:
    """An export of everybody, who all come to be stored."""
    running.reset()
    people = [PLACES["snapshot"], REFUSED, INVALID, PLACES["audience and report"], *OTHERS, "ill@example.com"]
    path = running.data / "forgetting.csv"
    pl.DataFrame({"email": people}).write_csv(path)
    running.standin.audience().seed([MemberView(PLACES["audience and report"], "unsubscribed")])
    export: dict[str, Any] = {
        "connection": "newsletter",
        "audience_id": LIST_ID,
        "segments": ["all"],
        "email": "email",
        "run": "manual",
    }
    catalog = {
        "connections": {"newsletter": account()},
        "segments": {"all": {"source": str(path)}},
        "exports": {"everybody": export, "by-hand": export},
    }
    running.apply(json.dumps(catalog))
    return path


@pytest.fixture
def seen(running: System, source: Path, keyring: Keyring) -> Callable[[str], list[str]]:  # noqa: ARG001
    """Looks for somebody in the opened store and in Redis, by address and by hash."""

    def look(address: str) -> list[str]:
        everything = everything_opened(running.folder / "store", keyring) + everything_in(running.redis_url)
        number = int(hash_of([address])[0])
        raw = number.to_bytes(16, "little")
        by_bytes = ["the hash"] if raw in everything else []
        return found(address, everything) + found(str(number), everything) + by_bytes

    return look


def _export(system: System) -> str:
    run_id: str = system.ask("run", "everybody", "--wait", check=False)["run_id"]
    wait_until(lambda: not system.runs.untidy(), "staged data is deleted")
    return run_id


@pytest.mark.parametrize("place", PLACES)
def test_rule_6_who_is_forgotten_is_found_nowhere(
    running: System, seen: Callable[[str], list[str]], place: str
) -> None:
    """In the opened store and in Redis: no address, no hash. All others are as they were."""
    run_id = _export(running)
    address = PLACES[place]
    before = running.report(run_id)
    assert seen(address), "the search is worth something only if they were there"
    done = running.command("forget", "-", input=f" {address.upper()}\n", capture_output=True)
    assert (seen(address), done.stderr) == ([], "")
    assert found(address, done.stdout.encode()) == []
    gone = {"snapshot": [], "report": [INVALID]}.get(place, [address])
    assert running.report(run_id) == [line for line in before if line["email"] not in gone]
    others = [seen(other) for other in (*PLACES.values(), *OTHERS) if other != address]
    assert all(others)
    again = running.command("forget", address, capture_output=True)
    assert again.stdout == "Forgotten in 0 snapshots, 0 parts of reports and 0 readings of audiences.\n"


def test_the_next_run_of_all_others_sends_nobody_anew(running: System, source: Path) -> None:
    """What was accepted of others is known as before, and who said no is still left alone."""
    _export(running)
    forgotten = {PLACES["snapshot"], PLACES["audience and report"]}
    for address in forgotten:
        running.command("forget", address, capture_output=True)
    left = pl.read_csv(source).filter(pl.col("email") != PLACES["snapshot"])
    left.write_csv(source)
    run = running.ask("run", "everybody", "--wait", check=False)
    assert run["profiles"] | {"read": 6, "unchanged": 2, "created": 0, "updated": 0} == run["profiles"]
    assert run["profiles"]["suppressed"] == 3
    assert run["resubscribed"] == 0


def test_an_export_under_way_is_named_and_nothing_of_it_is_touched(running: System, source: Path) -> None:
    _export(running)
    running.standin.add_fault(Delay(3.0), method="POST", nth=1)
    pl.DataFrame({"email": ["new@inbox.org", *OTHERS]}).write_csv(source)
    run_id = running.ask("run", "everybody")["run_id"]
    wait_until(lambda: running.standin.account().open > 0, "its call is open")
    done = running.command("forget", PLACES["snapshot"], check=False, capture_output=True)
    assert done.returncode == 1
    assert done.stderr == (
        "Runs of everybody are under way and may hold this person: forget again when they have ended.\n"
    )
    assert running.finished(run_id).status == "successful"
    assert running.command("forget", PLACES["snapshot"], capture_output=True).returncode == 0


def test_nobody_who_is_forgotten_stands_in_a_log(running: System, seen: Callable[[str], list[str]]) -> None:
    _export(running)
    running.command("forget", PLACES["snapshot"], capture_output=True)
    assert seen(PLACES["snapshot"]) == []
    assert found(MARK, files_below(running.folder / "valkey") + running.log.read_bytes()) == []
