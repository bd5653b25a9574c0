"""Snapshots: written shard by shard, counting from their manifest on, read back by hash."""

from collections.abc import Sequence

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from polars.testing import assert_frame_equal

from tests.store.people import EXPORT, NEXT, VERSION, manifest, rows, store
from worker.errors import RetryLater, UsageError
from worker.exports.hashes import to_bytes
from worker.exports.quarantine import Quarantined
from worker.keyring import Keyring
from worker.store.bucket import Bucket
from worker.store.objects import MissingObject, Objects
from worker.store.snapshots import (
    COLUMNS,
    HASHES,
    SnapshotWriter,
    commit,
    drop_snapshot,
    read_hashes,
    read_manifest,
    read_rows,
    unfinished_versions,
    versions,
)

REFUSED = Quarantined(
    address_hash=bytes(range(16)),
    payload_hash=bytes(16),
    email="recognisable.person@example.org",
    code="ERROR_GENERIC",
    message="recognisable.person@example.org looks fake or invalid, please enter a real email address.",
    until="2026-12-24T07:42:00+00:00",
)


class Spied(Bucket):
    """A store in memory that remembers what was read, and fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory")
        self.read: list[str] = []
        self.faults = 0

    def get(self, path: str) -> bytes:
        self.read.append(path.rpartition("/")[2])
        return super().get(path)

    def put(self, path: str, data: bytes) -> None:
        if self.faults:
            self.faults -= 1
            raise RetryLater("The store can't be reached: it is tried again.")
        super().put(path, data)


def hashes(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(list(HASHES))


def names(objects: Objects, version: str = VERSION) -> set[str]:
    return {stored.path.rpartition("/")[2] for stored in objects.list(f"snapshots/{EXPORT}/{version}")}


def test_what_was_written_is_read_back_in_its_order(objects: Objects, keyring: Keyring) -> None:
    people = rows(range(11), key=7)

    kept = store(objects, keyring, [people.head(3), people.slice(3, 6), people.slice(9)])

    assert kept.shards == (4, 4, 3)
    assert_frame_equal(read_hashes(objects, keyring, kept), hashes(people))
    whole = pl.concat(read_rows(objects, keyring, kept, people["address_hash"]))
    assert_frame_equal(whole, people)


def test_a_snapshot_is_its_shards_and_a_manifest(objects: Objects, keyring: Keyring) -> None:
    store(objects, keyring, [rows(range(5))])

    assert names(objects) == {
        "00000.addresses",
        "00000.hashes",
        "00001.addresses",
        "00001.hashes",
        "manifest",
    }


def test_shards_have_a_hundred_thousand_rows(keyring: Keyring) -> None:
    writer = SnapshotWriter(Bucket(MemoryStore(), "memory"), keyring, EXPORT, VERSION)
    for start in range(0, 210_000, 70_000):
        writer.add(rows(range(start, start + 70_000)))

    assert writer.close() == (100_000, 100_000, 10_000)


def test_a_snapshot_of_nobody_is_one(objects: Objects, keyring: Keyring) -> None:
    kept = store(objects, keyring, [])

    assert kept.shards == ()
    assert read_hashes(objects, keyring, kept).schema == HASHES
    assert list(read_rows(objects, keyring, kept, rows([1])["address_hash"])) == []
    assert versions(objects, EXPORT) == [VERSION]


def test_rows_that_come_one_by_one_make_full_shards(objects: Objects, keyring: Keyring) -> None:
    kept = store(objects, keyring, [rows([number]) for number in range(9)])

    assert kept.shards == (4, 4, 1)


def test_columns_may_stand_in_any_order_and_an_unused_key_have_no_type(
    objects: Objects, keyring: Keyring
) -> None:
    people = rows(range(3))
    odd = people.select(reversed(people.columns)).with_columns(key_hash=None, more=1)

    kept = store(objects, keyring, [odd])

    assert_frame_equal(read_hashes(objects, keyring, kept), hashes(people))


def test_closing_twice_writes_nothing_more(objects: Objects, keyring: Keyring) -> None:
    writer = SnapshotWriter(objects, keyring, EXPORT, VERSION, size=4)
    writer.add(rows(range(5)))

    assert writer.close() == writer.close() == (4, 1)
    assert len(names(objects)) == 4


def test_a_shard_that_could_not_be_written_is_written_by_the_next_try(keyring: Keyring) -> None:
    objects = Spied()
    writer = SnapshotWriter(objects, keyring, EXPORT, VERSION, size=4)
    objects.faults = 1
    with pytest.raises(RetryLater):
        writer.add(rows(range(6)))
    writer.add(rows(range(6, 9)))
    objects.faults = 1
    with pytest.raises(RetryLater):
        writer.close()

    shards = writer.close()

    assert shards == (4, 4, 1)
    assert_frame_equal(read_hashes(objects, keyring, manifest(shards)), hashes(rows(range(9))))


def test_a_snapshot_counts_from_its_manifest_on(objects: Objects, keyring: Keyring) -> None:
    store(objects, keyring, [rows(range(5))])
    writer = SnapshotWriter(objects, keyring, EXPORT, NEXT, size=4)
    writer.add(rows(range(6)))
    shards = writer.close()

    assert versions(objects, EXPORT) == [VERSION]
    assert unfinished_versions(objects, EXPORT) == [NEXT]
    with pytest.raises(MissingObject, match=rf"^The object snapshots/{EXPORT}/{NEXT}/manifest is missing "):
        read_manifest(objects, keyring, EXPORT, NEXT)

    commit(objects, keyring, manifest(shards, version=NEXT))

    assert versions(objects, EXPORT) == [VERSION, NEXT]
    assert unfinished_versions(objects, EXPORT) == []
    assert read_manifest(objects, keyring, EXPORT, NEXT).shards == (4, 2)


def test_a_manifest_comes_back_with_all_it_says(objects: Objects, keyring: Keyring) -> None:
    said = manifest((4, 2), excluded=bytes(32), quarantine=(REFUSED,), members=4)

    commit(objects, keyring, said)

    assert read_manifest(objects, keyring, EXPORT, VERSION) == said


def test_who_was_not_accepted_in_the_end_is_not_in_the_snapshot(objects: Objects, keyring: Keyring) -> None:
    people = rows(range(11))
    excluded = to_bytes(people["address_hash"].gather([0, 5, 6, 10]))
    kept = msgspec.structs.replace(store(objects, keyring, [people]), excluded=excluded, members=7)

    counting = people[[1, 2, 3, 4, 7, 8, 9]]
    assert_frame_equal(read_hashes(objects, keyring, kept), hashes(counting))
    assert_frame_equal(pl.concat(read_rows(objects, keyring, kept, people["address_hash"])), counting)


def test_wanted_rows_come_shard_by_shard_with_their_addresses(objects: Objects, keyring: Keyring) -> None:
    people = rows(range(12))
    kept = store(objects, keyring, [people])
    wanted = pl.concat([people["address_hash"].gather([9, 1, 1, 8]), rows([99])["address_hash"]])

    frames = list(read_rows(objects, keyring, kept, wanted))

    assert [frame["email"].to_list() for frame in frames] == [
        people["email"].gather([1]).to_list(),
        people["email"].gather([8, 9]).to_list(),
    ]


def test_addresses_are_read_of_shards_with_wanted_rows_only(keyring: Keyring) -> None:
    objects = Spied()
    people = rows(range(12))
    kept = store(objects, keyring, [people])

    read_hashes(objects, keyring, kept)
    list(read_rows(objects, keyring, kept, people["address_hash"].gather([5])))

    assert [name for name in objects.read if name.endswith("addresses")] == ["00001.addresses"]


def test_nobody_wanted_is_nobody_found(objects: Objects, keyring: Keyring) -> None:
    kept = store(objects, keyring, [rows(range(5))])

    assert list(read_rows(objects, keyring, kept, pl.Series(dtype=pl.UInt128))) == []
    assert list(read_rows(objects, keyring, kept, pl.Series([None], dtype=pl.UInt128))) == []


def test_dropping_takes_one_version_and_no_other(objects: Objects, keyring: Keyring) -> None:
    for export, version in ((EXPORT, VERSION), (EXPORT, NEXT), (EXPORT, VERSION + "0"), ("other", VERSION)):
        store(objects, keyring, [rows(range(5))], export=export, version=version)

    drop_snapshot(objects, EXPORT, VERSION)
    drop_snapshot(objects, EXPORT, VERSION)

    assert versions(objects, EXPORT) == [VERSION + "0", NEXT]
    assert versions(objects, "other") == [VERSION]
    assert versions(objects, "unknown") == []
    assert names(objects) == set()


@pytest.mark.parametrize(("export", "version"), [("..", VERSION), (EXPORT, "../.."), (EXPORT, ""), ("", "")])
def test_a_name_that_leaves_the_folder_is_refused(
    objects: Objects, keyring: Keyring, export: str, version: str
) -> None:
    with pytest.raises(UsageError):
        drop_snapshot(objects, export, version)
    with pytest.raises(UsageError):
        read_manifest(objects, keyring, export, version)


def test_excluded_addresses_are_whole_hashes() -> None:
    with pytest.raises(ValueError, match=r"^Excluded addresses are hashes of 16 bytes each"):
        manifest((), excluded=bytes(17))


def test_what_is_shown_of_a_manifest_names_nobody() -> None:
    said = manifest((4,), excluded=b"recognisable....", quarantine=(REFUSED,))

    assert repr(said) == f"Manifest(export='{EXPORT}', version='{VERSION}', members=4)"
    assert "recognisable" not in repr(REFUSED)


u128 = st.integers(0, 2**128 - 1)
kept_rows = st.lists(
    st.tuples(u128, u128, st.integers(0, 2**64 - 1), st.none() | u128, st.text(max_size=20)),
    max_size=12,
    unique_by=lambda row: row[0],
)


@settings(deadline=None)
@given(kept_rows, st.lists(st.integers(0, 11), max_size=4), st.lists(u128 | st.integers(0, 11), max_size=6))
def test_a_snapshot_is_a_table_without_the_excluded(
    people: Sequence[tuple[int, int, int, int | None, str]], excluded: list[int], asked: list[int]
) -> None:
    keyring, objects = Keyring([bytes(32)]), Bucket(MemoryStore(), "memory")
    table = pl.DataFrame(people, schema=COLUMNS, orient="row")
    out = {people[at][0] for at in excluded if at < len(people)}
    # some of them by their place in the table, so that they are found
    wanted = {people[at][0] if at < len(people) else at for at in asked}

    kept = store(objects, keyring, [table], size=3)
    kept = msgspec.structs.replace(kept, excluded=to_bytes(pl.Series(list(out), dtype=pl.UInt128)))

    counting = [row for row in people if row[0] not in out]
    assert read_hashes(objects, keyring, kept).rows() == [row[:4] for row in counting]
    frames = read_rows(objects, keyring, kept, pl.Series(list(wanted), dtype=pl.UInt128))
    assert [row for frame in frames for row in frame.rows()] == [row for row in counting if row[0] in wanted]
