"""The rows of the fault table about data: files, cells and events as they should not be."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest

from tests.catalogs import TAGS, account, two_segments
from tests.chaos.sampling import some
from tests.fundamentals.audit import assert_exact
from tests.fundamentals.conftest import SETTINGS
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin import LIST_ID
from tests.profiles import Segments, Shape, customers, split
from tests.system import System
from worker.exports.runs import RunDocument

COLUMNS = {"FNAME": "name", "CITY": "city", "VISITS": "visits"}


@pytest.fixture(scope="module")
def shared() -> Iterator[System]:
    """A Valkey, a stand-in, and a worker of two processes."""
    with System(settings=SETTINGS) as system:
        yield system


@pytest.fixture
def system(shared: System) -> System:
    """The running system with an empty ledger and an empty audience."""
    shared.reset()
    return shared


def export_of(system: System, file: Path) -> None:
    """Applies one export of one segment, which lies in this file."""
    export = {"connection": "newsletter", "audience_id": LIST_ID, "segments": ["people"], "email": "email"}
    system.apply(
        json.dumps(
            {
                "connections": {"newsletter": account()},
                "segments": {"people": {"source": str(file)}},
                "exports": {"people": {**export, "attributes": COLUMNS}},
            }
        )
    )


def exported(system: System) -> RunDocument:
    """The export's run on demand, ended."""
    return system.finished(system.ask("run", "people")["run_id"])


def writes(system: System) -> list[str]:
    """The calls that could have changed something."""
    return [call for call in system.standin.account().statistics().calls if not call.startswith("GET ")]


def table(people: int, city: str = "Łódź") -> pl.DataFrame:
    """So many people without a fault."""
    return pl.DataFrame(
        {
            "email": [f"person.{n}@inbox.example" for n in range(people)],
            "name": [f"Person {n}" for n in range(people)],
            "city": [city] * people,
            "visits": list(range(people)),
        }
    )


# --- files ----------------------------------------------------------------------------------------


@contextmanager
def again_and_again(change: Callable[[], object]) -> Iterator[None]:
    """Does it without a pause, beside whatever is done in the block."""
    over = Event()

    def loop() -> None:
        while not over.wait(0.002):
            change()

    thread = Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _appends(path: Path) -> Callable[[], object]:
    def change() -> None:
        with path.open("ab") as file:
            file.write(b"late@inbox.example,Late,Nowhere,1\n")

    return change


def _rewrites(path: Path) -> Callable[[], object]:
    begin = path.read_bytes()[:1000]

    def change() -> None:
        with path.open("r+b") as file:
            file.write(begin)

    return change


def _cuts(path: Path) -> Callable[[], object]:
    return lambda: os.truncate(path, max(1, path.stat().st_size - 1000))


@pytest.mark.parametrize("spoil", some([_rewrites, _cuts, _appends], 1))
def test_a_file_changes_while_a_run_reads_it(
    system: System, spoil: Callable[[Path], Callable[[], object]]
) -> None:
    """The run fails with one sentence, the audience stays as it was; whole again, the next run is exact."""
    path = system.data / "changing.csv"
    table(100).write_csv(path)
    export_of(system, path)
    assert exported(system).status == "successful"
    before = system.standin.audience().digest()
    system.standin.reset_statistics()
    table(300_000, "Elsewhere").write_csv(path)
    with again_and_again(spoil(path)):
        run = exported(system)
    assert run.status == "failed"
    assert f"{path} changed while it was read" in (run.error or "")
    assert set(run.profiles.values()) == {0}
    assert writes(system) == []
    assert system.standin.audience().digest() == before
    table(120, "Elsewhere").write_csv(path)
    run = exported(system)
    assert (run.status, run.profiles["created"], run.profiles["updated"]) == ("successful", 20, 100)


def test_a_file_is_replaced_while_a_run_reads_it(system: System) -> None:
    """Moved into its place, as it should be: the run is exactly the one or the other, never a mixture."""
    path = system.data / "replaced.csv"
    versions = [table(20_000, city) for city in ("Before", "After")]
    drafts = [system.data / f"draft-{number}.csv" for number in range(2)]
    turn = 0

    def replace() -> None:
        nonlocal turn
        versions[turn % 2].write_csv(drafts[turn % 2])
        drafts[turn % 2].replace(path)
        turn += 1

    replace()
    export_of(system, path)
    with again_and_again(replace):
        run = exported(system)
    cities = Counter(member.merge_fields["CITY"] for member in system.standin.audience().members().values())
    assert run.status == "successful", run.error
    assert turn > 5
    assert list(cities.values()) == [20_000], "one version, and all of it"


def _goes(path: Path) -> None:
    path.unlink()


def _leads_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _is_cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _is_emptied(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_goes, "does not exist"),
        (_leads_to_itself, "can't be opened"),
        (_is_cut, "cut short"),
        (_is_emptied, "is empty"),
    ],
)
def test_a_file_that_was_good_is_missing_unreadable_truncated_or_empty(
    system: System, spoil: Callable[[Path], None], says: str
) -> None:
    """One sentence; members, tags and what is remembered of them stay: the next good file changes nothing."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(customers(2_000, shape=Shape(malformed=0, duplicate=0, refused=0)))
    system.finished(refresh(system, made, "good"))
    system.standin.reset_statistics()
    made.write(system.data / "bad")
    spoil(system.data / "bad" / "churn-risk.parquet")
    (started,) = system.ask("refresh", "bad")["runs"]
    run = system.finished(started["run_id"])
    (system.data / "bad" / "churn-risk.parquet").unlink(missing_ok=True)
    assert run.status == "failed"
    assert says in (run.error or "")
    assert writes(system) == []
    again = system.finished(refresh(system, made, "good-again"))
    assert again.profiles["unchanged"] == 2_000
    assert writes(system) == []
    assert_exact(system, again, made)


# --- cells ----------------------------------------------------------------------------------------


def test_a_million_rows_of_one_address(system: System) -> None:
    """One member, and 999,999 lines of duplicates: no memory, second or call is spent on them in vain."""
    path = system.data / "million.parquet"
    one = {"email": "Same@Inbox.example", "name": "Sam", "city": "Łódź", "visits": 1}
    pl.DataFrame([one]).select(pl.all().repeat_by(1_000_000).explode()).write_parquet(path)
    export_of(system, path)
    began = time.monotonic()
    run = exported(system)
    seconds = time.monotonic() - began
    assert run.status == "successful", run.error
    assert (run.profiles["read"], run.profiles["created"], run.profiles["duplicate"]) == (10**6, 1, 999_999)
    assert list(system.standin.audience().members()) == ["same@inbox.example"]
    print(f"a million rows of one address: {seconds:.1f} s")


LONGEST = 255


def test_a_cell_of_ten_megabytes(system: System) -> None:
    """As an attribute it is cut where Mailchimp's texts end, and counted; as an address it is no address."""
    path, long = system.data / "long.csv", "x" * (10 << 20)
    good = table(3).with_columns(name=pl.Series(["A", long, "C"]))
    bad = pl.DataFrame([{"email": f"{long}@inbox.example", "name": "D", "city": "E", "visits": 1}])
    pl.concat([good, bad]).write_csv(path)
    export_of(system, path)
    run = exported(system)
    assert (run.profiles["created"], run.profiles["invalid"]) == (3, 1)
    held = system.standin.audience().members()["person.1@inbox.example"]
    assert held.merge_fields["FNAME"] == "x" * LONGEST
    assert run.lint["FNAME"].cut == 1
    (line,) = system.report(run.run_id)
    assert (line["row"], line["outcome"], line["code"]) == (4, "invalid", "email_malformed")


Cell = dict[str, Any]

# cells that are data: what the member has then; None for no such member
CELLS: dict[str, tuple[Cell, Cell | None]] = {
    "NUL within a name": ({"name": "An\0na"}, {"FNAME": "Anna"}),
    "nothing but NUL": ({"name": "\0"}, {}),
    "right to left": (
        {"name": "\u202e\u05de\u05d9\u05db\u05d0\u05dc", "city": "القاهرة"},
        {"FNAME": "\u202e\u05de\u05d9\u05db\u05d0\u05dc", "CITY": "القاهرة"},
    ),
    "emoji": ({"name": "👩‍👩‍👧 Zoë"}, {"FNAME": "👩‍👩‍👧 Zoë"}),
    "the last character there is": ({"name": "\U0010ffff"}, {"FNAME": "\U0010ffff"}),
    "a noncharacter": ({"name": "\uffff"}, {"FNAME": "\uffff"}),
    "zeros in front": ({"name": "00042", "visits": "00042"}, {"FNAME": "00042", "VISITS": 42}),
    "a number as text": ({"visits": "1e3"}, {"VISITS": 1000}),
    "a number with a comma": ({"visits": "1,5"}, {}),
    "no number": ({"visits": "many"}, {}),
    "not a number": ({"visits": "NaN"}, {}),
    "no end": ({"visits": "Infinity"}, {}),
    "a NUL in the address": ({"email": "nu\0l@inbox.example"}, None),
    "right to left in the address": ({"email": "\u202eabc@inbox.example"}, None),
    "an emoji in the address": ({"email": "👍@inbox.example"}, None),
    "a number for an address": ({"email": "42"}, None),
}


def _rows() -> list[dict[str, str | None]]:
    sound: dict[str, str | None] = {"name": None, "city": None, "visits": None}
    return [
        sound | {"email": f"cell.{at}@inbox.example"} | cell for at, (cell, _) in enumerate(CELLS.values())
    ]


@pytest.mark.parametrize("form", ["parquet", "ndjson"])
def test_odd_cells_have_an_outcome_and_a_reason_each(system: System, form: str) -> None:
    """NUL, right to left, emoji, numbers as text: kept or left out, and whoever is not there is told."""
    path = system.data / f"odd.{form}"
    getattr(pl.DataFrame(_rows()), f"write_{form}")(path)
    export_of(system, path)
    run = exported(system)
    assert run.error is None
    members = system.standin.audience().members()
    held = {
        name: member and member.merge_fields
        for at, name in enumerate(CELLS)
        for member in [members.get(f"cell.{at}@inbox.example")]
    }
    assert held == {name: wanted for name, (_, wanted) in CELLS.items()}
    reasons = {list(CELLS)[line["row"] - 1]: line["code"] for line in system.report(run.run_id)}
    assert reasons == {name: "email_malformed" for name, (_, wanted) in CELLS.items() if wanted is None}
    assert run.profiles["created"] + run.profiles["invalid"] == len(CELLS) == run.profiles["read"]
    assert run.lint["VISITS"].bad == 4


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "surrogate.csv",
            b"email,name,city,visits\na@inbox.example,\xed\xa0\x80,C,1\n",
            "not UTF-8 in line 2",
        ),
        ("nul.csv", b"email,name,city,visits\na@inbox.example,A\0B,C,1\n", "NUL character in line 2"),
        ("half.ndjson", b'{"email": "a@inbox.example"}\n{"email": "b\\ud800@inbox.example"}\n', "line 2"),
        ("raw.ndjson", b'{"email": "a@inbox.example", "name": "\xed\xb2\x80"}\n', "line 1"),
    ],
)
def test_what_is_no_text_stops_the_run_before_anything_is_sent(
    system: System, name: str, content: bytes, says: str
) -> None:
    """Lone surrogates and NUL in text files: such a file is damaged, and its line is named."""
    path = system.data / name
    path.write_bytes(content)
    export_of(system, path)
    run = exported(system)
    assert run.status == "failed"
    assert str(path) in (run.error or "")
    assert says in (run.error or "")
    assert writes(system) == []


def test_a_pair_of_surrogates_is_one_character(system: System) -> None:
    """As JSON writes what lies beyond the first 65,536 characters."""
    path = system.data / "pair.ndjson"
    path.write_bytes(b'{"email": "a@inbox.example", "name": "\\ud83d\\ude00", "city": "C", "visits": "7"}\n')
    export_of(system, path)
    assert exported(system).status == "successful"
    held = system.standin.audience().members()["a@inbox.example"].merge_fields
    assert held == {"FNAME": "😀", "CITY": "C", "VISITS": 7}


# --- segments -------------------------------------------------------------------------------------


def test_a_segment_shrunk_to_nothing_is_held(system: System) -> None:
    """No row at all, in both segments: nobody loses a tag until a person says so."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(customers(2_000, shape=Shape(malformed=0, duplicate=0, refused=0)))
    system.finished(refresh(system, made, "full"))
    system.standin.reset_statistics()
    nothing = Segments(made.loyal.clear(), made.churning.clear(), made.malformed)
    nothing.write(system.data / "nothing")
    system.command("refresh", "nothing", "--wait", check=False, capture_output=True)
    (held,) = system.runs.recent(most=1)
    assert held.status == "held"
    assert "take out 2,000 of 2,000 members" in (held.error or "")
    assert writes(system) == []
    system.command("approve", held.run_id, capture_output=True)
    run = system.finished(held.run_id)
    assert (run.status, run.removed, run.profiles["read"]) == ("successful", 2_000, 0)
    audience = system.standin.audience()
    assert (len(audience), audience.tags(), audience.status_changes()) == (2_000, dict.fromkeys(TAGS, 0), [])
