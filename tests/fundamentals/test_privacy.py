"""Nobody's address, name or attribute and no credential stands in anything that is written.

One refresh sends people, who can be recognised by everything that is known of them, along every path at once.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.catalogs import account
from tests.fundamentals.leaks import MARK, SECRET, everything_in, files_below, found, people, person
from tests.mailchimp_standin import LIST_ID
from tests.mailchimp_standin.faults import Action, Broken, Delay, Poison, Refuse, Reset, Truncate
from tests.mailchimp_standin.problems import FieldError
from tests.mailchimp_standin.reports import MemberView
from tests.mailchimp_standin.validation import MergeField
from tests.system import System, wait_until
from worker.exports.runs import RunDocument

KEY, UNKNOWN_KEY = f"{SECRET}-us1", f"{SECRET}-us2"
QUOTE = f"{MARK}.quoted@inbox.example, {MARK.title()}-quoted Name, was permanently deleted"
# each fault belongs to one audience, on a connection of its own: trouble there is nobody else's
FAULTS: dict[str, Action] = {
    "poisoned": Poison(pattern=rf"{MARK}\.poisoned\.3@"),
    "badrequest": Refuse(
        400, title="Invalid Resource", detail=QUOTE, errors=(FieldError("members.0.merge_fields", QUOTE),)
    ),
    "error": Refuse(500, title=QUOTE.partition(",")[0], detail=QUOTE),
    "page": Broken(502, body=f"<html>{QUOTE}</html>"),
    "pretended": Broken(200, body=f"<html>{QUOTE}</html>"),
    "truncated": Truncate(0.8),
    "reset": Reset(share=0.8),
    "forbidden": Refuse(403, title=f"Forbidden to {MARK}.quoted@inbox.example", detail=QUOTE),
    "canceled": Delay(0.7),
    "killed": Delay(1.0),
}
PASSING = ("error", "page", "pretended", "truncated", "reset")
BAD_FILES = {
    "badline.ndjson": f'{{"email": "{MARK}.badline@inbox.example", "name": "{MARK}-badline Name"\n'.encode(),
    "ragged.csv": f"email,name\n{MARK}.ragged@inbox.example\n".encode(),
    "encoding.csv": f"email,name\n{MARK}.encoding@inbox.example,{MARK}-encöding\n".encode("latin-1"),
    "quote.csv": f'email,name\n"{MARK}.quote@inbox.example,{MARK}-quote Name\n'.encode(),
    "nul.csv": f"email,name\n{MARK}.nul@inbox.example,{MARK}-nul\0Name\n".encode(),
}
CANCELED_ROWS, KILLED_ROWS = 3_000, 2_000


def _ordinary() -> pl.DataFrame:
    refused = person("refused", domain="example.com")
    rows = [person("ordinary", number) for number in range(4)]
    rows += [rows[1], person("cleaned"), refused]
    rows += [person("invalid") | {"email": f"{MARK}.invalid at inbox.example"}]
    rows += [person("badvalue") | {"since": f"{MARK}-badvalue"}]
    return pl.DataFrame(rows)


def _audience_id(path: str) -> str:
    return f"{path:0<10}"[:10]


def _write(folder: Path) -> list[str]:
    """Writes a source for each path; gives the paths."""
    tables = {path: people(path, 8) for path in FAULTS}
    tables |= {"canceled": people("canceled", CANCELED_ROWS), "killed": people("killed", KILLED_ROWS)}
    tables |= {"ordinary": _ordinary(), "keyless": people("keyless", 2)}
    folder.mkdir()
    for path, table in tables.items():
        table.write_parquet(folder / f"{path}.parquet")
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content)
    return [*(f"{path}.parquet" for path in tables), *BAD_FILES]


def _catalog(folder: Path, files: list[str]) -> str:
    """One export, with a connection of its own, for each file."""
    paths = {name.partition(".")[0]: name for name in files}
    attributes = {"FNAME": "name", "CITY": "city", "SINCE": "since"}
    catalog: dict[str, dict[str, dict[str, Any]]] = {"connections": {}, "segments": {}, "exports": {}}
    for path, name in paths.items():
        key = UNKNOWN_KEY if path == "keyless" else KEY
        catalog["connections"][path] = account(key)
        catalog["segments"][path] = {"source": str(folder / name)}
        catalog["exports"][path] = {
            "connection": path,
            "audience_id": _audience_id(path) if path in FAULTS else LIST_ID,
            "segments": [path],
            "email": "email",
            "attributes": {} if name in BAD_FILES else attributes,
            "on_bad_value": "reject",
            "mode": "mirror",
            "run": "manual" if path == "killed" else "on_refresh",
        }
    catalog["connections"]["canceled"]["max_connections"] = 1
    return json.dumps(catalog)


@dataclass(frozen=True)
class Traces:
    """All that was left behind, and what became of each path."""

    runs: dict[str, RunDocument]
    reports: dict[str, list[dict[str, Any]]]
    written: dict[str, bytes]
    staged: list[Path]


class Talker:
    """Runs commands and keeps every word of them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.said = b""

    def __call__(self, *arguments: str) -> str:
        done = self._system.command(*arguments, check=False, capture_output=True)
        self.said += f"$ {arguments[0]}\n{done.stdout}{done.stderr}".encode()
        return str(done.stdout)


@pytest.fixture(scope="module")
def traces(running: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    """Everybody goes their way, once."""
    running.reset()
    logged = running.log.stat().st_size
    files = _write(running.data / "private")
    _set_up_mailchimp(running)
    say = Talker(running)
    catalog = running.folder / "catalog.yaml"
    catalog.write_text(_catalog(running.data / "private", files))
    say("apply", "-f", str(catalog))
    runs = {run["export"]: run["run_id"] for run in json.loads(say("refresh", "r1", "--json"))["runs"]}
    while_staged = _cancel(running, say, runs["canceled"])
    running.finished(runs["ordinary"])
    _ordinary()[1:].write_parquet(running.data / "private" / "ordinary.parquet")
    runs["left"] = json.loads(say("run", "ordinary", "--json"))["run_id"]
    runs["killed"] = json.loads(say("run", "killed", "--json"))["run_id"]
    _kill_the_worker(running, runs["killed"])
    _ask_for_everything(say, runs)
    reports = _reports(say, runs, tmp_path_factory.mktemp("reports"))

    with running.log.open("rb") as log:
        log.seek(logged)
        lines = log.read()
    wait_until(lambda: not running.runs.untidy(), "staged data is deleted")
    store = running.folder / "store"
    yield Traces(
        runs={path: running.runs.document(run_id) for path, run_id in runs.items()},
        reports=reports,
        written={
            "logs of the workers": lines,
            "output of the commands": say.said,
            "Redis": everything_in(running.redis_url),
            "append-only file": files_below(running.folder / "valkey"),
            "store while chunks are staged": while_staged,
            "store afterwards": files_below(store),
        },
        staged=[path for path in (store / "staged").rglob("*") if path.is_file()],
    )
    for path in FAULTS:
        running.standin.audience(_audience_id(path)).delete()


def _set_up_mailchimp(system: System) -> None:
    standin = system.standin
    standin.add_account(KEY)
    audiences = [standin.add_audience(_audience_id(path), api_key=KEY) for path in FAULTS]
    standin.audience().delete()
    audiences.append(standin.add_audience(LIST_ID, api_key=KEY))
    for audience in audiences:
        for tag, kind in (("CITY", "text"), ("SINCE", "date")):
            audience.add_merge_field(MergeField(tag=tag, name=tag, type=kind))  # type: ignore[arg-type]
    audiences[-1].seed([MemberView(person("cleaned")["email"], "cleaned")])
    for path, action in FAULTS.items():
        when = {"nth": 1} if path in PASSING else {"after": 1} if path == "badrequest" else {}
        standin.add_fault(action, method="POST", audience=_audience_id(path), **when)


def _cancel(system: System, say: Talker, run_id: str) -> bytes:
    """Cancels a run in the middle; gives what was in the store until then."""
    wait_until(lambda: system.runs.document(run_id).chunks.done > 0, "one call has ended")
    while_staged = files_below(system.folder / "store" / "staged" / run_id)
    say("cancel", run_id)
    system.finished(run_id)
    return while_staged


def _kill_the_worker(system: System, run_id: str) -> None:
    """Kills the only worker while its calls are open, and starts another."""
    account = system.standin.account(KEY)
    wait_until(lambda: system.runs.document(run_id).chunks.total > 0 and account.open > 0, "calls are open")
    system.kill_worker(system.workers[0])
    system.start_worker()
    system.finished(run_id)


def _ask_for_everything(say: Talker, runs: dict[str, str]) -> None:
    """The commands that show things, except those by which a person asks for people."""
    say("get", "connections", "--json")
    say("get", "connections")
    say("get", "runs", "--json")
    say("refresh", "r1", "--wait")
    say("status", runs["badrequest"])
    say("watch", runs["canceled"])
    say("check", "ordinary")
    say("check", "keyless")
    say("doctor")


def _reports(say: Talker, runs: dict[str, str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Reports of people, which go to a file; what is said besides is kept as of every command."""
    reports = {}
    for path in ("ordinary", "badrequest", "canceled"):
        file = folder / path
        say("rejected", runs[path], "--format", "ndjson", "-o", str(file))
        reports[path] = [json.loads(line) for line in file.read_text().splitlines()]
    return reports


def test_everybody_went_the_way_that_was_meant_for_them(traces: Traces) -> None:
    """The search is worth something only if they were really there."""
    states = {path: run.status for path, run in traces.runs.items()}
    failed = {"forbidden", "keyless", *(name.partition(".")[0] for name in BAD_FILES)}
    assert {path for path, state in states.items() if state == "failed"} == failed
    assert {path for path, state in states.items() if state == "canceled"} == {"canceled"}
    assert {path for path, state in states.items() if state == "successful"} == {*PASSING, "killed"}
    refused = {"ordinary", "left", "poisoned", "badrequest"}
    assert {path for path, state in states.items() if state == "partial"} == refused
    assert traces.runs["poisoned"].profiles["rejected"] == 1
    killed = traces.runs["killed"]
    assert killed.profiles["created"] + killed.profiles["updated"] == KILLED_ROWS
    assert killed.profiles["updated"] > 0, "what the killed worker had sent was sent again"
    outcomes = Counter(line["outcome"] for line in traces.reports["ordinary"])
    assert outcomes == {"invalid": 1, "duplicate": 1, "rejected": 2, "suppressed": 1}
    assert traces.runs["left"].removed == 1
    assert len(traces.reports["badrequest"]) == traces.runs["badrequest"].profiles["rejected"] > 0
    assert len(traces.reports["canceled"]) == traces.runs["canceled"].profiles["failed"] > 0


def test_whoever_asks_for_the_report_sees_whom_it_is_about(traces: Traces) -> None:
    """A report without addresses would be of no use: there, and only there, they stand."""
    assert all(MARK in line["email"] for lines in traces.reports.values() for line in lines)


@pytest.mark.parametrize(
    "place",
    [
        "logs of the workers",
        "output of the commands",
        "Redis",
        "append-only file",
        "store while chunks are staged",
        "store afterwards",
    ],
)
def test_nobody_can_be_recognised_in(traces: Traces, place: str) -> None:
    """No address, no name, no attribute, whatever became of the person."""
    written = traces.written[place]
    assert traces.runs["canceled"].run_id.encode() in written, "something was written there"
    assert found(MARK, written) == []


def test_the_api_key_stands_nowhere(traces: Traces) -> None:
    """Neither as it is, nor as it goes over the wire."""
    on_the_wire = base64.b64encode(f"segment-export:{KEY}".encode()).decode().rstrip("=")
    for place, written in traces.written.items():
        assert (place, found(SECRET, written), found(on_the_wire, written)) == (place, [], [])


def test_no_staged_data_is_left(traces: Traces) -> None:
    """Whatever became of its run: finished, failed, canceled, or with its worker killed in the middle."""
    assert traces.staged == []


def test_nothing_escaped_and_no_line_holds_a_stack(traces: Traces) -> None:
    """None of these paths is a bug of ours, so there is no dead letter, and each line is one event."""
    assert found(".XQ", traces.written["Redis"]) == []
    lines = [json.loads(line) for line in traces.written["logs of the workers"].splitlines()]
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert [line for line in lines if "exception" in line] == []
