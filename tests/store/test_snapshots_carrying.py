"""What has not changed is copied from the old snapshot into the new one."""

from collections.abc import Sequence

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from polars.testing import assert_frame_equal

from tests.store.people import EXPORT, NEXT, manifest, rows, store
from worker.exports.hashes import to_bytes
from worker.keyring import Keyring
from worker.store.bucket import Bucket
from worker.store.objects import Objects
from worker.store.snapshots import HASHES, Manifest, SnapshotWriter, carry, read_rows


class Carried:
    """A new snapshot of shards of four rows, filled from an old one."""

    def __init__(self, objects: Objects, keyring: Keyring) -> None:
        self._objects, self._keyring = objects, keyring
        self.writer = SnapshotWriter(objects, keyring, EXPORT, NEXT, size=4)

    def carry(self, old: Manifest, kept: pl.DataFrame) -> int:
        return carry(self._objects, self._keyring, old, self.writer, kept)

    def rows(self) -> pl.DataFrame:
        """All rows of the new one, sorted by address."""
        new = manifest(self.writer.close(), version=NEXT)
        found = read_rows(self._objects, self._keyring, new, rows(range(40))["address_hash"])
        return pl.concat([rows([]), *found]).sort("email")


@pytest.fixture
def carried(objects: Objects, keyring: Keyring) -> Carried:
    return Carried(objects, keyring)


def only_addresses(numbers: Sequence[int]) -> pl.DataFrame:
    return rows(numbers).select("address_hash")


def test_the_rows_asked_for_are_copied_and_no_others(
    objects: Objects, keyring: Keyring, carried: Carried
) -> None:
    old = store(objects, keyring, [rows(range(10), key=3)])

    count = carried.carry(old, only_addresses([8, 3, 1, 0]))

    assert count == 4
    assert_frame_equal(carried.rows(), rows([0, 1, 3, 8], key=3).sort("email"))


def test_hashes_that_the_old_one_does_not_hold_are_passed_over(
    objects: Objects, keyring: Keyring, carried: Carried
) -> None:
    old = store(objects, keyring, [rows(range(5))])

    assert carried.carry(old, only_addresses([2, 30, 31])) == 1
    assert carried.rows()["email"].to_list() == rows([2])["email"].to_list()


def test_nothing_is_copied_for_nobody(objects: Objects, keyring: Keyring, carried: Carried) -> None:
    old = store(objects, keyring, [rows(range(5))])

    assert carried.carry(old, only_addresses([])) == 0
    assert carried.writer.close() == ()


def test_excluded_rows_are_never_copied(objects: Objects, keyring: Keyring, carried: Carried) -> None:
    people = rows(range(5))
    old = store(objects, keyring, [people])
    old = msgspec.structs.replace(old, excluded=to_bytes(people["address_hash"].gather([1, 4])), members=3)

    assert carried.carry(old, people) == 3
    assert_frame_equal(carried.rows(), rows([0, 2, 3]))


def test_what_is_said_of_a_row_replaces_what_was_kept_of_it(
    objects: Objects, keyring: Keyring, carried: Carried
) -> None:
    """So a list of tags in another order, or a key that is new, reaches people who are not sent."""
    old = store(objects, keyring, [rows(range(8), tags=1)])
    now = pl.concat([rows([6, 1], tags=2, key=1), rows([0, 2, 3], tags=3, key=2)])

    carried.carry(old, now.drop("email"))

    assert_frame_equal(carried.rows(), now.sort("email"))


def test_a_whole_shard_is_copied_as_it_is_but_for_what_is_said(
    objects: Objects, keyring: Keyring, carried: Carried
) -> None:
    old = store(objects, keyring, [rows(range(9))])
    carried.writer.add(rows([20, 21]))

    count = carried.carry(old, rows(range(7), tags=2).select("address_hash", "tags"))

    assert count == 7
    # four as they were, then the two that had waited beside three more
    assert carried.writer.close() == (4, 4, 1)
    assert_frame_equal(carried.rows(), pl.concat([rows([20, 21]), rows(range(7), tags=2)]).sort("email"))


def test_small_shards_are_joined(objects: Objects, keyring: Keyring, carried: Carried) -> None:
    old = store(objects, keyring, [rows(range(12))], size=2)

    carried.carry(old, rows(range(12)))

    assert carried.writer.close() == (4, 4, 4)


def test_new_rows_and_copied_ones_stand_side_by_side(
    objects: Objects, keyring: Keyring, carried: Carried
) -> None:
    old = store(objects, keyring, [rows(range(10))])

    carried.writer.add(rows([3, 30], payload="2"))
    carried.carry(old, only_addresses([number for number in range(10) if number != 3]))

    expected = pl.concat([rows([n for n in range(10) if n != 3]), rows([3, 30], payload="2")])
    assert_frame_equal(carried.rows(), expected.sort("email"))


numbers = st.lists(st.integers(0, 15), max_size=16, unique=True)


@settings(deadline=None, max_examples=60)
@given(held=numbers, out=numbers, kept=numbers, new=numbers, tagged=st.booleans(), size=st.integers(1, 6))
def test_the_new_snapshot_is_what_was_kept_and_what_was_added(
    held: list[int], out: list[int], kept: list[int], new: list[int], *, tagged: bool, size: int
) -> None:
    keyring, objects = Keyring([bytes(32)]), Bucket(MemoryStore(), "memory")
    old = store(objects, keyring, [rows(held)], size=size)
    old = msgspec.structs.replace(old, excluded=to_bytes(rows(out)["address_hash"]))
    carried = Carried(objects, keyring)
    said = list(HASHES) if tagged else ["address_hash"]

    added = [number for number in new if number not in kept]
    carried.writer.add(rows(added, payload="2"))
    count = carried.carry(old, rows(kept, tags=2).select(said))

    copied = set(held) & set(kept) - set(out)
    assert count == len(copied)
    expected = pl.concat([rows(sorted(copied), tags=2 if tagged else 1), rows(added, payload="2")])
    assert_frame_equal(carried.rows(), expected.sort("email"))
