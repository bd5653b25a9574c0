"""forget: what is copied, what is kept, and what a kill in between leaves behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producer import forgetting
from producer.application import Producer
from producer.events import run_export
from producer.forgetting import Forgotten, forget
from tests.producer.conftest import AUDIENCE, SegmentExport
from tests.store.people import manifest, rows, store
from worker.errors import UsageError
from worker.exports.hashes import to_bytes
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.quarantine import Quarantined
from worker.state import keys
from worker.store import snapshots
from worker.store.audiences import Remembered, load_audience, save_audience
from worker.store.forgetting import copy_without
from worker.store.reports import read_lines, write_part

PEOPLE = rows(range(10))
EXPORT = "weekly"


def person(number: int) -> str:
    return f"recognisable.person{number}@example.org"


def line(email: str, message: str = "No.") -> ReportLine:
    return ReportLine("loyal", 1, email, Outcome.REJECTED, "ERROR_GENERIC", "", message)


def refused(number: int, message: str = "No.") -> Quarantined:
    return Quarantined(bytes(16), bytes(16), person(number), "", message, "2027-01-01T00:00:00+00:00")


@pytest.fixture
def remembered(catalog: Producer) -> Producer:
    """A snapshot of ten people that counts, with an end of its own that leaves the last one out."""
    plan = store(
        catalog.objects, catalog.keyring, [PEOPLE], export=EXPORT, version="r1-1", audience_id=AUDIENCE
    )
    end = msgspec.structs.replace(
        plan,
        version="r1-1/end",
        excluded=to_bytes(PEOPLE["address_hash"].tail(1)),
        members=9,
        quarantine=(refused(20), refused(21, f"Like {person(20)}, who is not {person(20)}.uk")),
    )
    snapshots.commit(catalog.objects, catalog.keyring, end)
    catalog.client.set(keys.snapshot(EXPORT), end.version)
    return catalog


class Killed(BaseException):
    """The process was killed."""


def _killed_after(step: Callable[..., object]) -> Callable[..., object]:
    def killed(*given: object) -> object:
        step(*given)
        raise Killed

    return killed


def counting(producer: Producer) -> snapshots.Manifest:
    version = producer.runs.snapshot(EXPORT)
    return snapshots.read_manifest(producer.objects, producer.keyring, EXPORT, version)


def left(producer: Producer) -> list[str]:
    found = snapshots.read_rows(
        producer.objects, producer.keyring, counting(producer), PEOPLE["address_hash"]
    )
    return [email for frame in found for email in frame["email"]]


def stored(producer: Producer) -> list[str]:
    return sorted(each.path for each in producer.objects.list("snapshots"))


def test_a_copy_without_the_person_takes_the_snapshots_place(remembered: Producer) -> None:
    before = counting(remembered)
    assert forget(remembered, f" {person(3).title()} ") == Forgotten(snapshots=1)
    after = counting(remembered)
    assert left(remembered) == [person(n) for n in range(9) if n != 3]
    assert (after.members, after.excluded, after.late) == (8, b"", 0)
    kept = {"tags", "segments", "made_at", "last_full", "audience_id", "quarantine"}
    assert all(getattr(before, name) == getattr(after, name) for name in kept - {"quarantine"})
    assert all(path.startswith(f"snapshots/{EXPORT}/{after.version}/") for path in stored(remembered))


def test_who_does_not_count_in_a_snapshot_is_taken_out_of_it_too(remembered: Producer) -> None:
    assert forget(remembered, person(9)) == Forgotten(snapshots=1)
    assert forget(remembered, person(9)) == Forgotten()
    assert len(left(remembered)) == 9


def test_quarantine_forgets_its_people_and_what_is_said_of_them(remembered: Producer) -> None:
    assert forget(remembered, person(20)) == Forgotten(snapshots=1)
    (other,) = counting(remembered).quarantine
    assert other.email == person(21)
    assert other.message == f"Like (a forgotten address), who is not {person(20)}.uk"


def test_a_snapshot_that_knows_nobody_of_the_name_stays(remembered: Producer) -> None:
    before = stored(remembered)
    assert forget(remembered, "somebody@else.org") == Forgotten()
    assert stored(remembered) == before


def test_drafts_of_runs_that_broke_off_are_deleted(remembered: Producer) -> None:
    store(remembered.objects, remembered.keyring, [PEOPLE], export=EXPORT, version="r0-1")
    store(remembered.objects, remembered.keyring, [PEOPLE], export="of-old", version="r0-1")
    forget(remembered, person(3))
    assert {path.split("/")[2] for path in stored(remembered)} == {counting(remembered).version}


@pytest.mark.parametrize("step", ["copy_without", "replace_snapshot", "drop_snapshot"])
def test_a_kill_after_any_step_is_mended_by_forgetting_again(
    remembered: Producer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    rooms = {
        "copy_without": forgetting,
        "replace_snapshot": remembered.runs,
        "drop_snapshot": snapshots,
    }
    with monkeypatch.context() as patched:
        patched.setattr(rooms[step], step, _killed_after(getattr(rooms[step], step)))
        with pytest.raises(Killed):
            forget(remembered, person(3))
    forget(remembered, person(3))
    assert left(remembered) == [person(n) for n in range(9) if n != 3]
    assert {path.split("/")[2] for path in stored(remembered)} == {counting(remembered).version}


@pytest.mark.here
def test_an_export_with_a_run_under_way_is_left_for_later(
    remembered: Producer, segment_export: SegmentExport
) -> None:
    run_export(remembered, EXPORT)
    before = stored(remembered)
    assert forget(remembered, person(3)).busy == {EXPORT}
    assert stored(remembered) == before
    result = segment_export("forget", person(3))
    assert result.exit_code == 1
    assert result.stderr == (
        "Runs of weekly are under way and may hold this person: forget again when they have ended.\n"
    )
    (entry,) = remembered.audit.newest()
    assert (entry.what, entry.on) == ("forget", "a person")
    assert person(3) not in entry.after


def test_a_held_run_is_no_obstacle_for_it_is_planned_again(remembered: Producer) -> None:
    claim = remembered.runs.claim_plan(run_export(remembered, EXPORT).run_id, tries=1)
    assert claim is not None
    assert remembered.runs.hold(claim, "It would take out too many.")
    assert forget(remembered, person(3)) == Forgotten(snapshots=1)


def test_a_run_that_begins_meanwhile_keeps_the_snapshot_that_it_read(
    remembered: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*given: Any) -> object:
        run_export(remembered, EXPORT)
        return copy_without(*given)

    monkeypatch.setattr(forgetting, "copy_without", overtaken)
    before = remembered.runs.snapshot(EXPORT)
    assert forget(remembered, person(3)) == Forgotten(busy={EXPORT})
    assert remembered.runs.snapshot(EXPORT) == before
    assert len(left(remembered)) == 9


def test_reports_lose_lines_of_the_person_and_words_about_them(catalog: Producer) -> None:
    objects, keyring = catalog.objects, catalog.keyring
    others = [line("joann@x.org"), line("ann@x.org.uk"), line("", "No address.")]
    about = [line("Ann@X.org "), line("Ann <ann@x.org>"), line("a@y.org;ann@x.org")]
    quoted = line("new@x.org", "It was ANN@x.org, not joann@x.org.")
    write_part(objects, keyring, "r1", "plan-1-0", [*about, *others, quoted])
    write_part(objects, keyring, "r1", "plan-1-1", others)
    assert forget(catalog, "ann@x.org") == Forgotten(reports=1)
    masked = line("new@x.org", "It was (a forgotten address), not joann@x.org.")
    assert list(read_lines(objects, keyring, "r1", ["plan-1-0"])) == [*others, masked]
    assert list(read_lines(objects, keyring, "r1", ["plan-1-1"])) == others


def test_what_was_read_of_an_audience_is_read_anew_by_the_next_run(catalog: Producer) -> None:
    now = datetime.now(UTC)
    known = PEOPLE.select("address_hash").with_columns(status=1)
    save_audience(catalog.objects, catalog.keyring, "newsletter", AUDIENCE, Remembered(known, now, now))
    assert forget(catalog, person(3)) == Forgotten(audiences=1)
    after = load_audience(catalog.objects, catalog.keyring, "newsletter", AUDIENCE)
    assert after is not None
    assert (after.rows.height, after.read_at, after.whole_at.year) == (9, now, 1970)


@pytest.mark.here
def test_what_can_not_be_opened_is_told_and_the_rest_is_done(
    remembered: Producer, segment_export: SegmentExport, tmp_path: Path
) -> None:
    write_part(remembered.objects, remembered.keyring, "r1", "a", [line(person(3))])
    write_part(remembered.objects, remembered.keyring, "r1", "b", [line(person(3))])
    (tmp_path / "store" / "reports" / "r1" / "a").write_bytes(b"x" * 100)
    result = segment_export("forget", person(3))
    assert result.exit_code == 1
    assert result.stdout == "Forgotten in 1 snapshot, 1 part of reports and 0 readings of audiences.\n"
    assert result.stderr.startswith("No key fits what was encrypted as report/r1/a")


@pytest.mark.parametrize("address", ["", "-", "ann", "a\n@x", "a" * 255 + "@x.org"])
def test_what_is_no_address_is_not_repeated(catalog: Producer, address: str) -> None:
    with pytest.raises(UsageError, match=r"^That is not an e-mail address: give one, as it stands"):
        forget(catalog, address)


def test_a_manifest_of_nobody_is_a_snapshot_too(catalog: Producer) -> None:
    alone = store(catalog.objects, catalog.keyring, [PEOPLE.head(1)], export=EXPORT, version="r1-1")
    catalog.client.set(keys.snapshot(EXPORT), alone.version)
    assert forget(catalog, person(0)) == Forgotten(snapshots=1)
    assert (counting(catalog).shards, counting(catalog).members) == ((), 0)
    assert manifest(()).shards == ()
