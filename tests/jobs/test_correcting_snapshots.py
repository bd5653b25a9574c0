"""What a run's end makes of the snapshot: who is known from then on, and by which tags."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import polars as pl
import pytest

from tests.simulation.clock import Clock
from tests.simulation.outside import Cupboard
from worker.exports.delta import NO_PAYLOAD
from worker.exports.failures import UNANSWERED
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.reporting import LEFT_MEANWHILE
from worker.exports.statuses import hash_of
from worker.jobs.correction import Ending, correct
from worker.jobs.memory import Memory
from worker.keyring import Keyring
from worker.store.snapshots import Manifest

_EXPORT: Final = "weekly"
_LOYAL, _CHURNING = 1, 2


@dataclass
class _Store:
    memory: Memory = field(
        default_factory=lambda: Memory(objects=Cupboard(Clock()), sealer=Keyring([bytes(32)]))
    )

    def write(self, version: str, people: dict[str, int], **more: Any) -> None:
        """A snapshot of these people, by the bits of their tags."""
        writer = self.memory.writer(_EXPORT, version)
        writer.add(
            hash_of(people)
            .to_frame()
            .with_columns(
                pl.Series("email", list(people)),
                pl.Series("tags", list(people.values()), dtype=pl.UInt64),
                payload_hash=pl.lit(7, dtype=pl.UInt128),
                key_hash=pl.lit(None, dtype=pl.UInt128),
            )
        )
        shards = writer.close()
        manifest = Manifest(
            export=_EXPORT,
            version=version,
            audience_id="a1b2c3d4e5",
            tags=("Loyal", "Churning"),
            shards=shards,
            members=sum(shards),
            made_at="2026-11-27T00:00:00+00:00",
            last_full="2026-11-27T00:00:00+00:00",
            quarantine=(),
            segments=("loyal", "churning"),
        )
        self.memory.commit(msgspec.structs.replace(manifest, **more), pl.DataFrame())

    def after(self, ending: Ending, *, before: str = "run-1-1") -> dict[str, tuple[int, bool]]:
        """Who is known after the run's end: by which tags, and whether the payload is."""
        version = correct(
            self.memory, _EXPORT, "run-2-1", end="end", before=before, ending=ending, quarantine_days=30
        )
        manifest = self.memory.manifest(_EXPORT, version)
        rows = self.memory.rows(manifest, hash_of(["ann@x.org", "bob@x.org"]))
        assert manifest.members == rows.height
        known = [payload != NO_PAYLOAD for payload in rows["payload_hash"]]
        return dict(zip(rows["email"], zip(rows["tags"], known, strict=True), strict=True))


@pytest.fixture
def store() -> _Store:
    return _Store()


def _lines(outcome: Outcome, *addresses: str, code: str = "") -> list[ReportLine]:
    return [ReportLine("loyal", 1, address, outcome, code, "", "") for address in addresses]


def _ended(lines: Sequence[ReportLine], *, undone: Sequence[str] = (), unsure: Sequence[str] = ()) -> Ending:
    return Ending.of(lines, undone, unsure)


def test_who_was_taken_is_known_by_what_was_sent(store: _Store) -> None:
    store.write("run-2-1", {"ann@x.org": _LOYAL})
    assert store.after(_ended([]), before="") == {"ann@x.org": (_LOYAL, True)}


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.SUPPRESSED, Outcome.FAILED])
def test_who_was_not_taken_is_unknown(store: _Store, outcome: Outcome) -> None:
    store.write("run-2-1", {"ann@x.org": _LOYAL, "bob@x.org": _LOYAL})
    ending = _ended(_lines(outcome, " Ann@X.org"))
    assert store.after(ending, before="") == {"bob@x.org": (_LOYAL, True)}


def test_who_may_have_arrived_is_sent_again_and_loses_the_tag_when_leaving(store: _Store) -> None:
    store.write("run-2-1", {"ann@x.org": _LOYAL, "bob@x.org": _LOYAL})
    ending = _ended(_lines(Outcome.FAILED, "ann@x.org", "bob@x.org", code="unseen"), unsure=["ann@x.org"])
    assert store.after(ending, before="") == {"ann@x.org": (_LOYAL, False)}


def test_whom_no_answer_ever_named_may_have_arrived(store: _Store) -> None:
    store.write("run-2-1", {"ann@x.org": _LOYAL})
    ending = _ended(_lines(Outcome.FAILED, "ann@x.org", code=UNANSWERED))
    assert store.after(ending, before="") == {"ann@x.org": (_LOYAL, False)}


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REJECTED, Outcome.SUPPRESSED])
def test_who_was_never_reached_or_refused_has_only_the_tags_of_earlier(
    store: _Store, outcome: Outcome
) -> None:
    """The new tag may be somebody else's: it must not be taken off when they leave."""
    store.write("run-1-1", {"ann@x.org": _LOYAL})
    store.write("run-2-1", {"ann@x.org": _LOYAL | _CHURNING})
    assert store.after(_ended(_lines(outcome, "ann@x.org", code="not_sent"))) == {
        "ann@x.org": (_LOYAL, False)
    }


def test_who_was_taken_and_had_left_meanwhile_has_the_tag(store: _Store) -> None:
    store.write("run-1-1", {"ann@x.org": _LOYAL})
    store.write("run-2-1", {"ann@x.org": _LOYAL | _CHURNING})
    ending = _ended(_lines(Outcome.SUPPRESSED, "ann@x.org", code=LEFT_MEANWHILE))
    assert store.after(ending) == {"ann@x.org": (_LOYAL | _CHURNING, False)}


def test_a_tag_that_was_taken_off_is_off_whatever_became_of_the_upload(store: _Store) -> None:
    store.write("run-1-1", {"ann@x.org": _LOYAL | _CHURNING})
    store.write("run-2-1", {"ann@x.org": _CHURNING})
    assert store.after(_ended(_lines(Outcome.REJECTED, "ann@x.org"))) == {"ann@x.org": (_CHURNING, False)}


def test_a_tag_that_could_not_be_taken_off_is_still_there(store: _Store) -> None:
    store.write("run-1-1", {"ann@x.org": _LOYAL | _CHURNING, "bob@x.org": _LOYAL})
    store.write("run-2-1", {"ann@x.org": _CHURNING})
    ending = _ended([], undone=["ann@x.org", "bob@x.org"])
    assert store.after(ending) == {
        "ann@x.org": (_LOYAL | _CHURNING, False),
        "bob@x.org": (_LOYAL, False),
    }


def test_a_tag_with_another_name_by_now_is_the_same_tag(store: _Store) -> None:
    store.write("run-1-1", {"bob@x.org": _LOYAL})
    store.write("run-2-1", {"ann@x.org": _LOYAL}, tags=("Very loyal", "Churning"))
    ending = _ended([], undone=["bob@x.org"])
    assert store.after(ending) == {"ann@x.org": (_LOYAL, True), "bob@x.org": (_LOYAL, False)}


def test_another_audience_has_none_of_these_tags(store: _Store) -> None:
    store.write("run-1-1", {"ann@x.org": _LOYAL})
    store.write("run-2-1", {"ann@x.org": _LOYAL}, audience_id="b1b2c3d4e5")
    assert store.after(_ended(_lines(Outcome.REJECTED, "ann@x.org"))) == {}


def test_a_plan_without_a_draft_leaves_no_snapshot(store: _Store) -> None:
    found = correct(
        store.memory, _EXPORT, "run-9-1", end="end", before="", ending=_ended([]), quarantine_days=30
    )
    assert found == ""
