"""Reports: written in parts, streamed in order, expired whole."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from worker.errors import UsageError
from worker.exports.outcomes import Outcome, ReportLine
from worker.keyring import Keyring
from worker.store.bucket import Bucket
from worker.store.objects import MissingObject, Objects
from worker.store.reports import drop_report, expire, read_lines, write_part

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def line(row: int, email: str = "someone@example.com") -> ReportLine:
    return ReportLine("loyal", row, email, Outcome.REJECTED, "ERROR_GENERIC", "FNAME", "It's too long.")


def age(root: Path, path: str, by: timedelta) -> None:
    written = (NOW - by).timestamp()
    os.utime(root / path, (written, written))


def test_lines_come_back_in_the_order_asked_for(objects: Objects, keyring: Keyring) -> None:
    write_part(objects, keyring, "r1", "chunk-1-17-a1B2_-", [line(5)])
    write_part(objects, keyring, "r1", "plan-1-00000", [line(1), line(2)])
    write_part(objects, keyring, "r1", "plan-1-00001", [])
    write_part(objects, keyring, "r2", "plan-1-00000", [line(99)])

    names = ["plan-1-00000", "plan-1-00001", "chunk-1-17-a1B2_-"]

    assert list(read_lines(objects, keyring, "r1", names)) == [line(1), line(2), line(5)]
    assert list(read_lines(objects, keyring, "r1", [])) == []


def test_writing_a_part_again_replaces_it(objects: Objects, keyring: Keyring) -> None:
    write_part(objects, keyring, "r1", "plan-1-00000", [line(1), line(2)])
    write_part(objects, keyring, "r1", "plan-1-00000", (line(3),))

    assert list(read_lines(objects, keyring, "r1", ["plan-1-00000"])) == [line(3)]


def test_parts_are_read_when_their_turn_comes(objects: Objects, keyring: Keyring) -> None:
    write_part(objects, keyring, "r1", "a", [line(1)])

    lines = read_lines(objects, keyring, "r1", ["a", "not-there"])

    assert next(lines) == line(1)
    with pytest.raises(MissingObject, match=r"^The object reports/r1/not-there is missing "):
        next(lines)


def test_dropping_takes_one_run_only(objects: Objects, keyring: Keyring) -> None:
    for run_id in ("r1", "r10"):
        write_part(objects, keyring, run_id, "a", [line(1)])

    drop_report(objects, "r1")
    drop_report(objects, "r1")

    assert [stored.path for stored in objects.list("reports")] == ["reports/r10/a"]


@pytest.mark.parametrize("name", ["../r2/a", "", ".a", "a b", "chunk:1"])
def test_a_name_that_leaves_the_folder_is_refused(objects: Objects, keyring: Keyring, name: str) -> None:
    with pytest.raises(UsageError):
        write_part(objects, keyring, "r1", name, [])
    with pytest.raises(UsageError):
        list(read_lines(objects, keyring, "r1", [name]))


def test_reports_expire_by_their_newest_part_and_never_by_halves(
    root: Path, folder: Objects, keyring: Keyring
) -> None:
    for run_id, name, days in (
        ("old", "a", 31),
        ("old", "b", 45),
        ("long", "a", 45),
        ("long", "b", 29),
        ("new", "a", 0),
    ):
        write_part(folder, keyring, run_id, name, [line(1)])
        age(root, f"reports/{run_id}/{name}", days * DAY)
    folder.put("staged/old/1/00000", b"x")
    age(root, "staged/old/1/00000", 99 * DAY)

    assert expire(folder, NOW, 30 * DAY) == ["old"]

    assert {stored.path for stored in folder.list("reports")} == {
        "reports/long/a",
        "reports/long/b",
        "reports/new/a",
    }
    assert folder.exists("staged/old/1/00000")
    assert expire(folder, NOW, 30 * DAY) == []


def test_a_report_is_kept_until_the_last_instant(root: Path, folder: Objects, keyring: Keyring) -> None:
    write_part(folder, keyring, "r1", "a", [line(1)])
    age(root, "reports/r1/a", 30 * DAY)

    assert expire(folder, NOW, 30 * DAY) == []
    assert expire(folder, NOW + timedelta(seconds=1), 30 * DAY) == ["r1"]


def test_expiry_works_where_only_the_store_knows_the_time(keyring: Keyring) -> None:
    objects = Bucket(MemoryStore(), "memory")
    write_part(objects, keyring, "r1", "a", [line(1)])
    now = datetime.now(UTC)

    assert expire(objects, now + DAY, 2 * DAY) == []
    assert expire(objects, now + 3 * DAY, 2 * DAY) == ["r1"]
    assert list(objects.list("reports")) == []


texts = st.text(st.characters(codec="utf-8"))
report_lines = st.builds(ReportLine, texts, st.integers(1, 2**32 - 1), texts, texts, texts, texts, texts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(report_lines))
def test_whatever_is_reported_comes_back_the_same(keyring: Keyring, lines: list[ReportLine]) -> None:
    objects = Bucket(MemoryStore(), "memory")
    write_part(objects, keyring, "r1", "a", lines)

    assert list(read_lines(objects, keyring, "r1", ["a"])) == lines
