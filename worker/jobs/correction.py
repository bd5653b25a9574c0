"""Corrects a run's snapshot at its end: who was not accepted does not count, refusals are remembered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import polars as pl

from worker.exports.delta import NO_PAYLOAD
from worker.exports.failures import UNANSWERED
from worker.exports.hashes import to_bytes
from worker.exports.membership import identity
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.quarantine import Quarantined, classify, until
from worker.exports.reporting import LEFT_MEANWHILE
from worker.exports.statuses import hash_of
from worker.exports.uploading import Refusal
from worker.jobs.memory import Memory, in_bits_of
from worker.store.objects import MissingObject
from worker.store.snapshots import Manifest, UnreadableSnapshot

_NOT_ACCEPTED: Final = frozenset({Outcome.REJECTED, Outcome.SUPPRESSED, Outcome.FAILED})


@dataclass(frozen=True)
class Ending:
    """What a run's end knows: the lines of those sent and not taken, and who still has a lost tag.

    `unsure` are addresses of failed ones whom Mailchimp may have taken all the same.
    """

    refused: Sequence[ReportLine]
    undone: Sequence[str]
    unsure: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: Iterable[ReportLine], undone: Sequence[str], unsure: Iterable[str]) -> "Ending":
        """Keeps of the report what concerns the snapshot."""
        refused = [line for line in lines if line.outcome in _NOT_ACCEPTED]
        unanswered = {identity(line.email) for line in refused if line.code == UNANSWERED}
        return cls(refused, undone, frozenset(unsure) | unanswered)

    @property
    def untouched(self) -> Iterator[str]:
        """Who can't have got a tag by a call of this run: never reached, or refused by Mailchimp."""
        not_taken = (identity(line.email) for line in self.refused if line.code != LEFT_MEANWHILE)
        return (address for address in not_taken if address not in self.unsure)


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
    out = hash_of([identity(line.email) for line in ending.refused] + list(ending.undone)).unique()
    drafted = memory.rows(draft, out)
    excluded = drafted["address_hash"]
    corrected = msgspec.structs.replace(
        draft,
        version=f"{version}/{end}",
        excluded=to_bytes(excluded),
        members=sum(draft.shards) - excluded.len(),
        quarantine=_quarantine(draft, ending.refused, drafted, quarantine_days),
    )
    memory.commit(corrected, _still_tagged(ending, drafted, _accepted_before(memory, before, draft, out)))
    return corrected.version


def _still_tagged(ending: Ending, drafted: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Those who have tags of ours, or may have, whatever became of them now: they lose them when they leave.

    What was to be taken off is off, but of those undone. Who was never reached, or refused, may have the same
    tag from somebody else, so only what was accepted earlier counts.
    """
    unsure = drafted.filter(_among(ending.unsure)).join(earlier, on="address_hash", how="anti")
    rows = pl.concat([earlier, unsure.select(earlier.columns)])
    had, now = pl.col("tags"), pl.col("now")
    stay = pl.when(_among(ending.undone) | now.is_null()).then(had).otherwise(had & now)
    put = pl.when(_among(ending.untouched) | now.is_null()).then(0).otherwise(now)
    return (
        rows.join(drafted.select("address_hash", now="tags"), on="address_hash", how="left")
        .with_columns(tags=stay | put, payload_hash=pl.lit(NO_PAYLOAD, dtype=pl.UInt128))
        .drop("now")
    )


def _among(addresses: Iterable[str]) -> pl.Expr:
    return pl.col("address_hash").is_in(hash_of(addresses).implode())


def _accepted_before(memory: Memory, before: str, draft: Manifest, wanted: pl.Series) -> pl.DataFrame:
    """Who of these was accepted before this run, and with which tags, as bits of this run's segments."""
    none = memory.rows(draft, wanted.clear())
    if not before:
        return none
    try:
        earlier = memory.manifest(draft.export, before)
        if earlier.audience_id != draft.audience_id:
            return none
        rows = memory.rows(earlier, wanted)
    except (MissingObject, UnreadableSnapshot):
        # this run has sent everything for want of it
        return none
    return rows.with_columns(in_bits_of(rows["tags"], earlier, draft.segments, draft.tags))


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
        known = hashes.get(identity(line.email))
        if line.outcome == Outcome.FAILED or end is None or known is None or not days:
            continue
        address, payload = (number.to_bytes(16, "little") for number in known)
        entries[line.email] = Quarantined(
            address, payload, line.email, line.code, line.message, end.isoformat()
        )
    return tuple(entries.values())
