"""Corrects a run's snapshot at its end: who was not accepted does not count, refusals are remembered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import polars as pl

from worker.exports.delta import NO_PAYLOAD, rebit
from worker.exports.hashes import to_bytes
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.quarantine import Quarantined, classify, until
from worker.exports.statuses import hash_of
from worker.exports.uploading import Refusal
from worker.jobs.memory import Memory
from worker.store.objects import MissingObject
from worker.store.snapshots import Manifest, UnreadableSnapshot

_NOT_ACCEPTED: Final = frozenset({Outcome.REJECTED, Outcome.SUPPRESSED, Outcome.FAILED})


@dataclass(frozen=True)
class Ending:
    """What a run's end knows: the lines of those sent and not taken, and who still has a lost tag."""

    refused: Sequence[ReportLine]
    undone: Sequence[str]

    @classmethod
    def of(cls, lines: Iterable[ReportLine], undone: Sequence[str]) -> "Ending":
        """Keeps of the report what concerns the snapshot."""
        return cls([line for line in lines if line.outcome in _NOT_ACCEPTED], undone)


def correct(
    memory: Memory,
    export: str,
    version: str,
    *,
    end: str,
    before: str,
    ending: Ending,
    quarantine_days: int,
) -> str:
    """Makes the drafted snapshot true; gives the version of that, or '' if the plan did not come to a draft.

    `end` is a word of nobody else's, `before` the version that counted until now.
    """
    try:
        draft = memory.manifest(export, version)
    except MissingObject:
        return ""
    out = hash_of([line.email for line in ending.refused] + list(ending.undone)).unique()
    drafted = memory.rows(draft, out)
    excluded = drafted["address_hash"]
    corrected = msgspec.structs.replace(
        draft,
        version=f"{version}/{end}",
        excluded=to_bytes(excluded),
        members=sum(draft.shards) - excluded.len(),
        quarantine=_quarantine(draft, ending.refused, drafted, quarantine_days),
    )
    memory.commit(corrected, _once_accepted(memory, before, draft, drafted, out))
    return corrected.version


def _once_accepted(
    memory: Memory, before: str, draft: Manifest, drafted: pl.DataFrame, out: pl.Series
) -> pl.DataFrame:
    """Those who were accepted before this run: their tags are still there, whatever became of them now."""
    if not before:
        return drafted.clear()
    try:
        earlier = memory.manifest(draft.export, before)
        if earlier.audience_id != draft.audience_id:
            return drafted.clear()
        rows = memory.rows(earlier, out)
    except (MissingObject, UnreadableSnapshot):
        # this run has sent everything for want of it
        return drafted.clear()
    now = drafted.select("address_hash", pl.col("tags").alias("new"))
    return (
        rows.with_columns(rebit(rows["tags"], earlier.tags, draft.tags))
        .join(now, on="address_hash", how="left")
        .with_columns(
            tags=pl.col("tags") | pl.col("new").fill_null(0),
            payload_hash=pl.lit(NO_PAYLOAD, dtype=pl.UInt128),
        )
        .drop("new")
    )


def _quarantine(
    draft: Manifest, refused: Sequence[ReportLine], drafted: pl.DataFrame, days: int
) -> tuple[Quarantined, ...]:
    now = datetime.now(UTC)
    hashes = dict(
        zip(drafted["email"], zip(drafted["address_hash"], drafted["payload_hash"], strict=True), strict=True)
    )
    entries = {each.email: each for each in draft.quarantine if datetime.fromisoformat(each.until) > now}
    for line in refused:
        fate = classify(Refusal(line.email, line.code, line.message, line.field))
        end = until(now, fate, days)
        known = hashes.get(line.email.strip().lower())
        if line.outcome == Outcome.FAILED or end is None or known is None or not days:
            continue
        address, payload = (number.to_bytes(16, "little") for number in known)
        entries[line.email] = Quarantined(
            address, payload, line.email, line.code, line.message, end.isoformat()
        )
    return tuple(entries.values())
