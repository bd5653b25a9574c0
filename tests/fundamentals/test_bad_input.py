"""Bad input gets one clear sentence that says what is wrong, where, and what to do; nothing is sent."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.catalogs import account
from tests.mailchimp_standin import API_KEY, LIST_ID
from tests.mailchimp_standin.reports import MemberView, digest
from tests.mailchimp_standin.validation import MergeField
from tests.system import System

PEOPLE = pl.DataFrame(
    {
        "email": ["anna@inbox.example", "bo@inbox.example", "cy@inbox.example"],
        "first_name": ["Anna", "Bø", "Cy"],
    }
)
LATIN = "email,first_name\nanna@inbox.example,Anna\nbo@inbox.example,Bø\n".encode("latin-1")
TOO_MANY = "email,first_name\nanna@inbox.example,Anna\nbo@inbox.example,Bo,what\n"
TOO_FEW = 'email,first_name\nanna@inbox.example,"An\nna"\nbo@inbox.example\n'
UNCLOSED = 'email,first_name\nanna@inbox.example,Anna\nbo@inbox.example,"Bo\n'
BAD_LINE = '{"email": "anna@inbox.example"}\n\n{"email": "bo@inbox.example"\n'
NO_OBJECT = '{"email": "anna@inbox.example"}\n["bo@inbox.example"]\n'

Write = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A file and an export that don't go together, and what the sentence about it has to name."""

    file: str
    write: Write
    says: tuple[str, ...]
    export: dict[str, Any] = field(default_factory=dict)
    names_file: bool = True


def _people(path: Path) -> None:
    PEOPLE.write_parquet(path)


def _cut_short(path: Path) -> None:
    _people(path)
    path.write_bytes(path.read_bytes()[:-20])


def _listed(path: Path) -> None:
    PEOPLE.with_columns(pl.concat_list("email")).write_parquet(path)


def _without(column: str) -> Write:
    return lambda path: PEOPLE.drop(column).write_parquet(path)


def _holding(content: str | bytes) -> Write:
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


CASES = {
    "file missing": Case("missing.parquet", lambda _: None, ("does not exist", "check the segment's source")),
    "folder for a file": Case("folder.parquet", Path.mkdir, ("is a folder", "name a")),
    "empty file": Case("empty.parquet", Path.touch, ("is empty", "let the refresh write it again")),
    "truncated Parquet": Case("cut.parquet", _cut_short, ("cut short", "let the refresh write it again")),
    "no Parquet at all": Case("page.parquet", _holding("<html>"), ("not what its ending says",)),
    "lists for addresses": Case(
        "lists.parquet", _listed, ('"email" (List(String))', "name a column of text")
    ),
    "no e-mail column": Case("anonymous.parquet", _without("email"), ('no column "email"', "first_name")),
    "no attribute column": Case("nameless.parquet", _without("first_name"), ('no column "first_name"',)),
    "wrong encoding": Case("latin.csv", _holding(LATIN), ("not UTF-8 in line 3", "save the file in UTF-8")),
    "too many fields": Case("long.csv", _holding(TOO_MANY), ("3 fields in line 3", "2 in its header")),
    "too few fields": Case("short.csv", _holding(TOO_FEW), ("1 field in line 4", "2 in its header")),
    "unclosed quote": Case("quote.csv", _holding(UNCLOSED), ("quotation mark", "line 3")),
    "bad line": Case(
        "bad.ndjson", _holding(BAD_LINE), ("not valid JSON", "line 3", "one JSON object a line")
    ),
    "line without object": Case("list.jsonl", _holding(NO_OBJECT), ("no JSON object in line 2",)),
    "no such merge field": Case(
        "people.parquet",
        _people,
        ('no merge field "NICKNAME"', "FNAME", "correct the attributes"),
        {"attributes": {"NICKNAME": "first_name"}},
        names_file=False,
    ),
    "no such audience": Case(
        "people.parquet",
        _people,
        ("no audience 0000000000", "check audience_id"),
        {"audience_id": "0000000000"},
        names_file=False,
    ),
    "no API key": Case(
        "people.parquet",
        _people,
        ("environment variable NO_SUCH_KEY is missing in the workers", "set it and restart them"),
        {"connection": "keyless"},
        names_file=False,
    ),
    "too many profiles": Case(
        "people.parquet",
        _people,
        ("more than 2 profiles", "raise max_profiles"),
        {"max_profiles": 2},
        names_file=False,
    ),
}


def _name(case: str) -> str:
    return re.sub("[^a-z]+", "-", case.lower())


def _catalog(folder: Path) -> str:
    usual = {"connection": "newsletter", "audience_id": LIST_ID, "email": "email"}
    attributes = {"FNAME": "first_name"}
    segments = {_name(case): {"source": str(folder / found.file)} for case, found in CASES.items()}
    exports = {
        _name(case): {**usual, "attributes": attributes, "segments": [_name(case)], **found.export}
        for case, found in CASES.items()
    }
    connections = {"newsletter": account(), "keyless": account("env:NO_SUCH_KEY")}
    return json.dumps({"connections": connections, "segments": segments, "exports": exports})


@dataclass(frozen=True)
class Refused:
    """What became of one refresh of all of them."""

    runs: dict[str, dict[str, Any]]
    exit_status: int
    shown: str
    log: list[dict[str, Any]]
    calls: dict[str, int]
    folder: Path


@pytest.fixture(scope="module")
def refused(running: System) -> Refused:
    """One refresh of all cases at once."""
    running.reset()
    folder = running.data / "bad"
    folder.mkdir()
    for case in CASES.values():
        case.write(folder / case.file)
    running.apply(_catalog(folder))
    logged = running.log.stat().st_size
    done = running.command("refresh", "bad", "--wait", "--json", check=False, capture_output=True)
    with running.log.open("rb") as log:
        log.seek(logged)
        lines = [json.loads(line) for line in log]
    return Refused(
        runs={run["export"]: run for run in json.loads(done.stdout)["runs"]},
        exit_status=done.returncode,
        shown=done.stderr,
        log=lines,
        calls=running.standin.account(API_KEY).statistics().calls,
        folder=folder,
    )


@pytest.mark.parametrize("case", CASES)
def test_the_run_fails_with_one_sentence(refused: Refused, case: str) -> None:
    """It names the file and the place, or the thing at Mailchimp, and what to do."""
    run, expected = refused.runs[_name(case)], CASES[case]
    assert run["status"] == "failed"
    sentence = run["error"]
    assert re.fullmatch(r"[A-Z/].*\.", sentence)
    assert not re.search(r"[.!?]\s", sentence), "two sentences"
    assert [part for part in expected.says if part not in sentence] == [], sentence
    if expected.names_file:
        assert str(refused.folder / expected.file) in sentence
    for person in PEOPLE.iter_rows():
        assert not [value for value in person if value in sentence], "somebody's data"


@pytest.mark.parametrize("case", CASES)
def test_no_profile_of_it_is_counted_as_delivered(refused: Refused, case: str) -> None:
    """Nothing was read to the end, so nothing has an outcome."""
    run = refused.runs[_name(case)]
    assert set(run["profiles"].values()) == {0}
    assert run["chunks"] == {"total": 0, "done": 0, "failed": 0}
    assert run["finished_at"] is not None


def test_a_call_that_could_not_be_made_is_not_counted(refused: Refused) -> None:
    """Without a key nobody was asked anything; without an audience one question was asked."""
    calls = {case: refused.runs[_name(case)]["api_calls"] for case in ("no API key", "no such audience")}
    assert calls == {"no API key": 0, "no such audience": 1}


def test_nothing_is_sent_to_mailchimp(refused: Refused) -> None:
    """Every fault is found before the first upload."""
    assert refused.calls
    assert [call for call in refused.calls if not call.startswith("GET ")] == []


def test_a_refused_plan_is_no_error_of_ours(refused: Refused) -> None:
    """It is logged once, with its sentence, below the level of errors and without any stack."""
    told = {line["run"]: line["reason"] for line in refused.log if line["event"] == "plan.refused"}
    assert told == {run["run_id"]: run["error"] for run in refused.runs.values()}
    assert {line["level"] for line in refused.log} <= {"info", "warning"}
    assert [line for line in refused.log if "exception" in line or "Traceback" in str(line)] == []


def test_whoever_waits_is_told_and_gets_an_exit_status(refused: Refused) -> None:
    """The sentences stand in the summary; the command's own output holds no traceback."""
    assert refused.exit_status == 1
    assert "Traceback" not in refused.shown
    squeezed = re.sub(r"\s+", "", refused.shown)
    assert [
        run["error"] for run in refused.runs.values() if re.sub(r"\s+", "", run["error"]) not in squeezed
    ] == []


# the same people in three forms

ODD = pl.DataFrame(
    {
        "email": [f"person.{n}@inbox.example" for n in range(6)] + ["  Person.7@Bücher.example "],
        "name": ["Zoë", "李小龍", 'O\'Neil, "Bob"', "two\nlines", None, "👩‍👩‍👧", "=1+1"],
        "code": ["00042", "0", "-0", "1e3", "007", None, "0x10"],
        "zip": ["01234", "00501", "02134-1000", "99999", "10001", None, "01001"],
        "visits": [0, 1, 12, None, 7, 10**9, -3],
    }
)
AUDIENCES = {"parquet": "parquet000", "csv": "csv0000000", "ndjson": "ndjson0000"}


def _same_people() -> Iterator[MemberView]:
    for row in ODD.iter_rows(named=True):
        values = {
            "FNAME": row["name"] and row["name"].replace("\n", " "),
            "CODE": row["code"],
            "ZIP": row["zip"] and row["zip"][:5],
            "VISITS": row["visits"],
        }
        held = {tag: value for tag, value in values.items() if value is not None}
        yield MemberView(row["email"].strip().lower(), "subscribed", held, ("People",))


def test_the_form_of_a_file_changes_nothing(system: System) -> None:
    """Parquet, CSV and NDJSON of the same people make the same audience: zeros, quotes and scripts kept."""
    ODD.write_parquet(system.data / "odd.parquet")
    ODD.write_csv(system.data / "odd.csv")
    ODD.write_ndjson(system.data / "odd.ndjson")
    fields = (("CODE", "text"), ("ZIP", "zip"), ("VISITS", "number"))
    audiences = {form: system.standin.add_audience(list_id) for form, list_id in AUDIENCES.items()}
    for audience in audiences.values():
        for tag, kind in fields:
            audience.add_merge_field(MergeField(tag=tag, name=tag, type=kind))  # type: ignore[arg-type]
    system.apply(_three_forms(system.data))
    refreshed = [option for form in AUDIENCES for option in ("--segment", form)]
    runs = system.ask("refresh", "odd", *refreshed, "--wait", check=False)["runs"]
    held = {audience.digest().fingerprint for audience in audiences.values()}
    for audience in audiences.values():
        audience.delete()
    assert {(run["status"], run["error"]) for run in runs} == {("successful", None)}
    assert held == {digest(_same_people()).fingerprint}


def _three_forms(folder: Path) -> str:
    columns = {"FNAME": "name", "CODE": "code", "ZIP": "zip", "VISITS": "visits"}
    return json.dumps(
        {
            "connections": {"newsletter": account()},
            "segments": {
                form: {"display_name": "People", "source": str(folder / f"odd.{form}")} for form in AUDIENCES
            },
            "exports": {
                form: {
                    "connection": "newsletter",
                    "audience_id": list_id,
                    "segments": [form],
                    "email": "email",
                    "attributes": columns,
                }
                for form, list_id in AUDIENCES.items()
            },
        }
    )
