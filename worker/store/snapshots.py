"""Snapshots: what Mailchimp accepted of an export, so that the next run sends only what differs.

A snapshot is a folder `snapshots/{export}/{version}` of shards (`00000.hashes`, `00000.addresses`, …) and a
`manifest`. The manifest is written last and at once, and without it there is no snapshot; so a run that is
killed anywhere leaves the old one as it was. Whose members were not accepted in the end, after their rows had
been written, are named in another manifest, that of the end, in a folder of its own below the plan's. Whoever
ends a run has one of their own, so somebody who was taken for dead and goes on spoils nothing.

Rows are read and copied shard by shard; only hashes are ever in memory for all of them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from worker.exports.hashes import from_bytes
from worker.exports.quarantine import Quarantined
from worker.store import snapshot_shards as shards
from worker.store.interface import Objects, Sealer
from worker.store.snapshot_manifest import MANIFEST, Manifest, parse_manifest, write_manifest
from worker.store.snapshot_place import ROOT, Place, UnreadableSnapshot, plan_of
from worker.store.snapshot_shards import COLUMNS, HASHES, ROWS_OF_A_SHARD

__all__ = [
    "COLUMNS",
    "HASHES",
    "Manifest",
    "Quarantined",
    "SnapshotWriter",
    "UnreadableSnapshot",
    "carry",
    "commit",
    "drop_snapshot",
    "holds",
    "plan_of",
    "read_hashes",
    "read_manifest",
    "read_rows",
    "unfinished_versions",
    "versions",
]

_TALL: Final = 0.8
"""Of a shard's size. Smaller ones are not copied as they are, so that they don't become ever more."""


class SnapshotWriter:
    """Writes the rows of a new snapshot, in shards of `size` rows. For one thread.

    `behind` has the rows of shards that are written already, and behind which it goes on.
    """

    def __init__(
        self,
        objects: Objects,
        keyring: Sealer,
        export: str,
        version: str,
        *,
        size: int = ROWS_OF_A_SHARD,
        behind: Sequence[int] = (),
    ) -> None:
        self._place = Place(objects, keyring, export, version)
        self._size = size
        self._written = list(behind)
        self._waiting: list[pl.DataFrame] = []
        self._height = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows with the columns of `COLUMNS`; `key_hash` may be null, and an address comes once.

        After an error nothing is lost: the same rows are written by the next `add` or `close`.

        Raises:
            RetryLater: the store can't be reached for the moment.
            TellOperator: the store is full or unfit.
        """
        # exactly these types: what is written otherwise could not be read
        self._waiting.append(frame.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()))
        self._height += frame.height
        self._write(self._size)

    def wants(self, rows: int) -> bool:
        """Say whether a shard of so many rows may stay as it is."""
        return rows >= _TALL * self._size

    def add_shard(self, hashes: pl.DataFrame, addresses: bytes) -> None:
        """Add a whole shard, whose addresses are packed already; raises as `add` does."""
        shards.write_parts(self._place, len(self._written), hashes, addresses)
        self._written.append(hashes.height)

    def close(self) -> tuple[int, ...]:
        """Write what is left; gives the rows of each shard, for the manifest. Raises as `add` does."""
        self._write(1)
        return tuple(self._written)

    def _write(self, least: int) -> None:
        while self._height >= least:
            rows = pl.concat(self._waiting)
            self._waiting = [rows]
            shard = rows.head(self._size)
            shards.write_shard(self._place, len(self._written), shard)
            self._written.append(shard.height)
            self._waiting = [rows.slice(shard.height)]
            self._height -= shard.height


def commit(objects: Objects, keyring: Sealer, manifest: Manifest) -> None:
    """Make a snapshot of the shards that were written: it counts from here on.

    Raises:
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is full or unfit.
    """
    write_manifest(objects, keyring, manifest)


def read_manifest(objects: Objects, keyring: Sealer, export: str, version: str) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        MissingObject: there is no such snapshot.
        UnreadableSnapshot: it is damaged, of another format, or no key opens it.
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is unfit.
    """
    place = Place(objects, keyring, export, version)
    return parse_manifest(place, place.read(MANIFEST))


def read_hashes(objects: Objects, keyring: Sealer, manifest: Manifest) -> pl.DataFrame:
    """Read all rows of a snapshot, with the columns of `HASHES`; some 56 bytes a row.

    Raises:
        UnreadableSnapshot: a shard is missing, damaged, or no key opens it.
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is unfit.
    """
    snapshot = _Snapshot(objects, keyring, manifest)
    frames = (hashes.filter(snapshot.counts(number, hashes)) for number, hashes in snapshot.shards())
    return pl.concat([pl.DataFrame(schema=HASHES), *frames])


def read_rows(
    objects: Objects, keyring: Sealer, manifest: Manifest, wanted: pl.Series
) -> Iterator[pl.DataFrame]:
    """Read the rows whose address hash is wanted, with the columns of `COLUMNS`, shard by shard.

    Addresses are read of the shards only that hold such rows. Raises as `read_hashes` does.
    """
    snapshot, lookup = _Snapshot(objects, keyring, manifest), _Lookup(wanted)
    for number, hashes in snapshot.shards():
        found = lookup.places(hashes["address_hash"]).is_not_null() & snapshot.counts(number, hashes)
        if found.any():
            place = snapshot.place(number)
            emails = shards.unpack_addresses(place, number, shards.read_addresses(place, number), hashes)
            yield hashes.with_columns(emails).filter(found)


def holds(objects: Objects, keyring: Sealer, manifest: Manifest, wanted: pl.Series) -> bool:
    """Say whether a row of one of these address hashes is there, counting or not; raises as `read_hashes`."""
    lookup = _Lookup(wanted)
    shards_read = _Snapshot(objects, keyring, manifest).shards()
    return any(lookup.places(hashes["address_hash"]).is_not_null().any() for _, hashes in shards_read)


def carry(
    objects: Objects, keyring: Sealer, manifest: Manifest, writer: SnapshotWriter, kept: pl.DataFrame
) -> int:
    """Copy rows of a snapshot into a new one, shard by shard; gives how many.

    `kept` has the column `address_hash`, each hash once, and any others of `HASHES`: what it has stands in
    the new snapshot instead of what was in the old one. Give it `tags` when the list of tags has changed,
    and `key_hash` when the key may have. Hashes that the snapshot does not hold are passed over.

    Raises as `read_hashes` and `SnapshotWriter.add` do.
    """
    snapshot, lookup = _Snapshot(objects, keyring, manifest), _Lookup(kept["address_hash"])
    news, copied = kept.select(name for name in HASHES if name in kept.columns), 0
    for number, hashes in snapshot.shards():
        places = lookup.places(hashes["address_hash"])
        found = places.is_not_null() & snapshot.counts(number, hashes)
        if not found.any():
            continue
        packed = shards.read_addresses(snapshot.place(number), number)
        rows = hashes.filter(found).with_columns(news[places.filter(found)].get_columns())
        if rows.height == hashes.height and writer.wants(rows.height):
            writer.add_shard(rows, packed)
        else:
            emails = shards.unpack_addresses(snapshot.place(number), number, packed, hashes)
            writer.add(rows.with_columns(emails.filter(found)))
        copied += rows.height
    return copied


def drop_snapshot(objects: Objects, export: str, version: str) -> None:
    """Delete a snapshot and its plan's draft, or what there is of them; that there is none is no error."""
    objects.delete_prefix(f"{ROOT}/{export}/{plan_of(version)}")


def versions(objects: Objects, export: str) -> list[str]:
    """The snapshots of an export, by the order of their names; those without a manifest are none."""
    return sorted(version for version, counts in _found(objects, export).items() if counts)


def unfinished_versions(objects: Objects, export: str) -> list[str]:
    """What has shards but no manifest: it is being written, or whoever wrote it was killed."""
    return sorted(version for version, counts in _found(objects, export).items() if not counts)


def _found(objects: Objects, export: str) -> dict[str, bool]:
    """All versions, and whether they have a manifest."""
    found: dict[str, bool] = {}
    for stored in objects.list(f"{ROOT}/{export}"):
        _, _, version, name = stored.path.split("/", 3)
        found[version] = found.get(version, False) or name == MANIFEST
    return found


class _Snapshot:
    """A snapshot that is being read."""

    def __init__(self, objects: Objects, keyring: Sealer, manifest: Manifest) -> None:
        self._place = Place(objects, keyring, manifest.export, manifest.version)
        self._rows = manifest.shards
        self._early = len(manifest.shards) - manifest.late
        self._excluded = _Lookup(from_bytes(manifest.excluded))

    def shards(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Each shard's number and its hashes, excluded ones too."""
        for number, rows in enumerate(self._rows):
            yield number, shards.read_hashes_of(self.place(number), number, rows)

    def place(self, number: int) -> Place:
        """Where a shard is: the plan wrote all but the late ones."""
        return self._place.plans if number < self._early else self._place

    def counts(self, number: int, hashes: pl.DataFrame) -> pl.Series:
        """Say of each row of a shard whether it counts."""
        if number >= self._early:
            return pl.repeat(value=True, n=hashes.height, dtype=pl.Boolean, eager=True)
        return self._excluded.places(hashes["address_hash"]).is_null()


class _Lookup:
    """Finds many hashes among many others again and again: polars would build its table anew each time."""

    def __init__(self, hashes: pl.Series) -> None:
        # nulls are last in this order, and left out
        self._order = hashes.arg_sort(nulls_last=True).head(hashes.len() - hashes.null_count())
        self._sorted = hashes.gather(self._order)

    def places(self, asked: pl.Series) -> pl.Series:
        """Give the place of each among the hashes; null where it is not there."""
        if self._sorted.is_empty():
            return pl.repeat(None, asked.len(), dtype=self._order.dtype, eager=True)
        near = self._sorted.search_sorted(asked).clip(upper_bound=self._sorted.len() - 1)
        found = self._sorted.gather(near) == asked
        return self._order.gather(near).set(~found, None)
