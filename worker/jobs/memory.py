"""What an export remembers from run to run: whom Mailchimp took, with what, and whom it refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import polars as pl
import structlog

from worker.errors import RetryLater, SegmentExportError
from worker.exports.definitions import Export
from worker.exports.delta import KNOWN, NO_PAYLOAD, REFUSED, Why, rebit
from worker.exports.hashes import from_bytes
from worker.exports.plan import RowVerdict, Survey
from worker.exports.quarantine import Quarantined
from worker.exports.schedules import span
from worker.store import snapshots
from worker.store.objects import Objects, Sealer
from worker.store.snapshots import Manifest, SnapshotWriter

log = structlog.get_logger()


@dataclass(frozen=True)
class Previous:
    """The snapshot that a run is compared with; its tags are bits of the run's segments (`KNOWN`).

    `renamed` has the old and the new name of each tag whose segment has another name by now.
    """

    manifest: Manifest
    rows: pl.DataFrame
    renamed: Mapping[str, str]

    def quarantined_but(self, sent: pl.Series) -> tuple[Quarantined, ...]:
        """Who is in quarantine and not among these address hashes."""
        entries = self.manifest.quarantine
        if not entries:
            return ()
        hashes = from_bytes(b"".join(each.address_hash for each in entries))
        return tuple(
            each for each, is_sent in zip(entries, hashes.is_in(sent.implode()), strict=True) if not is_sent
        )

    def refused(self, now: datetime) -> pl.DataFrame:
        """Who is in quarantine, with the payload that was refused (`REFUSED`)."""
        entries = [each for each in self.manifest.quarantine if datetime.fromisoformat(each.until) > now]
        return pl.DataFrame(
            {
                "address_hash": from_bytes(b"".join(each.address_hash for each in entries)),
                "payload_hash": from_bytes(b"".join(each.payload_hash for each in entries)),
                "why": pl.Series([int(Why.QUARANTINED)] * len(entries), dtype=pl.UInt8),
            },
            schema=REFUSED,
        )


class Memory:
    """The snapshots of exports."""

    def __init__(self, *, objects: Objects, sealer: Sealer) -> None:
        self._objects = objects
        self._sealer = sealer

    def previous(self, export: Export, version: str, tags: Sequence[str]) -> Previous | None:
        """The snapshot of this version; None if there is none that this run can be compared with.

        Raises:
            RetryLater: the store can't be reached for the moment.
        """
        if not version:
            return None
        try:
            manifest = snapshots.read_manifest(self._objects, self._sealer, export.name, version)
            rows = snapshots.read_hashes(self._objects, self._sealer, manifest)
        except RetryLater:
            raise
        except SegmentExportError as error:
            log.warning("snapshot.unusable", reason=str(error), hint="everything is sent")
            return None
        if manifest.audience_id != export.audience_id:
            log.info("snapshot.other_audience", hint="everything is sent")
            return None
        masks = in_bits_of(rows["tags"], manifest, export.segments, tags)
        known = rows.select("address_hash", "payload_hash", "key_hash").with_columns(masks)
        return Previous(manifest, known.select(list(KNOWN)), _renamed(manifest, export.segments, tags))

    def writer(self, export: str, version: str) -> SnapshotWriter:
        """Begins a new snapshot, which counts for nothing until it is committed and a run's end names it."""
        return SnapshotWriter(self._objects, self._sealer, export, version)

    def carry(
        self,
        previous: Previous,
        writer: SnapshotWriter,
        *,
        found: Survey,
        removed: pl.DataFrame,
        moved: pl.Series,
    ) -> None:
        """Takes over who was accepted before and is neither sent again nor gone; of the tags those that stay.

        Suppressed ones are taken over without their payload: it is sent again when they come back, and their
        tags are taken off if they leave then. `moved` are addresses that their people have left for others.
        """
        judged = found.rows.filter(pl.col("kept").is_null()).select("address_hash", "verdict")
        sent = judged.filter(pl.col("verdict") == RowVerdict.SEND)["address_hash"]
        held = judged.filter(pl.col("verdict") == RowVerdict.SUPPRESSED)["address_hash"]
        gone = pl.concat([sent, removed.filter("gone")["address_hash"], moved])
        kept = (
            previous.rows.join(gone.rename("address_hash").to_frame(), on="address_hash", how="anti")
            .join(removed.select("address_hash", "lost"), on="address_hash", how="left")
            .select(
                "address_hash",
                pl.col("tags") & ~pl.col("lost").fill_null(0),
                payload_hash=pl.when(pl.col("address_hash").is_in(held.implode()))
                .then(pl.lit(NO_PAYLOAD, dtype=pl.UInt128))
                .otherwise("payload_hash"),
            )
        )
        snapshots.carry(self._objects, self._sealer, previous.manifest, writer, kept)

    def addresses(self, previous: Previous, wanted: pl.DataFrame) -> pl.DataFrame:
        """Those rows of `wanted` with their `email`; all of them were accepted before."""
        found = list(self._rows(previous, wanted["address_hash"]))
        emails = pl.concat([pl.DataFrame(schema={"address_hash": pl.UInt128, "email": pl.String}), *found])
        return wanted.join(emails, on="address_hash", how="inner")

    def _rows(self, previous: Previous, wanted: pl.Series) -> Iterator[pl.DataFrame]:
        for frame in snapshots.read_rows(self._objects, self._sealer, previous.manifest, wanted):
            yield frame.select("address_hash", "email")

    def draft(
        self,
        writer: SnapshotWriter,
        export: Export,
        version: str,
        *,
        tags: Sequence[str],
        previous: Previous | None,
        full: bool,
        sent: pl.Series,
    ) -> None:
        """Writes the manifest as it is if Mailchimp takes everybody; the run's end corrects it.

        `sent` are the address hashes of those who are sent: they leave quarantine, and come back if refused.
        """
        shards, now = writer.close(), datetime.now(UTC).isoformat()
        manifest = Manifest(
            export=export.name,
            version=version,
            audience_id=export.audience_id,
            tags=tuple(tags),
            shards=shards,
            members=sum(shards),
            made_at=now,
            last_full=now if full or previous is None else previous.manifest.last_full,
            quarantine=previous.quarantined_but(sent) if previous else (),
            segments=export.segments,
        )
        snapshots.commit(self._objects, self._sealer, manifest)

    def manifest(self, export: str, version: str) -> Manifest:
        """The manifest of a snapshot; raises as `worker.store.snapshots.read_manifest` does."""
        return snapshots.read_manifest(self._objects, self._sealer, export, version)

    def rows(self, manifest: Manifest, wanted: pl.Series) -> pl.DataFrame:
        """Rows of a snapshot by address hash, with their `email`."""
        empty = pl.DataFrame(schema=snapshots.COLUMNS)
        return pl.concat([empty, *snapshots.read_rows(self._objects, self._sealer, manifest, wanted)])

    def commit(self, manifest: Manifest, late: pl.DataFrame) -> None:
        """Writes a corrected manifest, and behind its shards the rows that are `late`."""
        writer = SnapshotWriter(
            self._objects, self._sealer, manifest.export, manifest.version, behind=manifest.shards
        )
        if late.height:
            writer.add(late)
        shards = writer.close()
        corrected = msgspec.structs.replace(
            manifest,
            shards=shards,
            late=len(shards) - len(manifest.shards),
            members=manifest.members + late.height,
        )
        snapshots.commit(self._objects, self._sealer, corrected)

    def drop(self, export: str, version: str) -> None:
        """Deletes a snapshot."""
        snapshots.drop_snapshot(self._objects, export, version)

    def drop_dead(self, export: str, *, active: Sequence[str], counts: str) -> None:
        """Deletes what can't count any more: of runs that have ended, all but the snapshot that counts.

        `active` has to be read before `counts`: a snapshot comes to count in the step that ends its run. So
        this is safe for whoever was thought dead and goes on, too.
        """
        found = snapshots.versions(self._objects, export) + snapshots.unfinished_versions(
            self._objects, export
        )
        for version in found:
            if version != snapshots.plan_of(counts) and version.rpartition("-")[0] not in active:
                self.drop(export, version)


def in_bits_of(
    masks: pl.Series, manifest: Manifest, segments: Sequence[str], tags: Sequence[str]
) -> pl.Series:
    """Tag masks of a snapshot as masks of these segments, whose tags may have other names by now."""
    renamed = _renamed(manifest, segments, tags)
    return rebit(masks, [renamed.get(name, name) for name in manifest.tags], tags)


def _renamed(manifest: Manifest, segments: Sequence[str], tags: Sequence[str]) -> dict[str, str]:
    now = dict(zip(segments, tags, strict=True))
    before = zip(manifest.segments, manifest.tags, strict=False)
    return {old: now[segment] for segment, old in before if now.get(segment, old) != old}


def full_is_due(previous: Previous | None, full_every: str | None, now: datetime) -> bool:
    """Whether the export's schedule of full exports asks for one now."""
    if previous is None or full_every is None:
        return False
    return now - datetime.fromisoformat(previous.manifest.last_full) >= span(full_every)
