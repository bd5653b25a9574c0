"""What lies in a snapshot can be neither read nor changed unnoticed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.store.people import EXPORT, NEXT, VERSION, rows, store
from worker.errors import RetryLater, SegmentExportError, TellOperator
from worker.exports.quarantine import Quarantined
from worker.keyring import Keyring
from worker.store.folder import LocalFolder
from worker.store.objects import MissingObject, Objects
from worker.store.snapshots import (
    SnapshotWriter,
    UnreadableSnapshot,
    carry,
    read_hashes,
    read_manifest,
    read_rows,
)

PEOPLE = rows(range(6))
REFUSED = Quarantined(bytes(16), bytes(16), "recognisable.person@example.org", "", "recognisable", "")
CAN_NOT = rf"^The snapshot {VERSION} of export {EXPORT} can't be read, which a full export mends: "


class Filled:
    """Two snapshots of two shards each; the readers read the first one."""

    def __init__(self, root: Path, objects: Objects, keyring: Keyring) -> None:
        self._objects, self._keyring = objects, keyring
        self.folder = root / "snapshots" / EXPORT / VERSION
        self.kept = store(objects, keyring, [PEOPLE], quarantine=(REFUSED,))
        store(objects, keyring, [PEOPLE], version=NEXT)

    def manifest(self) -> object:
        return read_manifest(self._objects, self._keyring, EXPORT, VERSION)

    def hashes(self) -> object:
        return read_hashes(self._objects, self._keyring, self.kept)

    def rows(self) -> object:
        return list(read_rows(self._objects, self._keyring, self.kept, PEOPLE["address_hash"]))

    def carry(self) -> object:
        writer = SnapshotWriter(self._objects, self._keyring, EXPORT, "third", size=4)
        return carry(self._objects, self._keyring, self.kept, writer, PEOPLE)

    def readers(self) -> dict[str, list[Callable[[], object]]]:
        """For each object, all ways to read something from it."""
        hashes = [self.hashes, self.rows, self.carry]
        return {
            "manifest": [self.manifest],
            "00000.hashes": hashes,
            "00001.hashes": hashes,
            "00000.addresses": [self.rows, self.carry],
            "00001.addresses": [self.rows, self.carry],
        }


@pytest.fixture
def filled(root: Path, folder: Objects, keyring: Keyring) -> Filled:
    return Filled(root, folder, keyring)


def refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except UnreadableSnapshot as error:
        text = str(error)
        assert text.startswith(f"The snapshot {VERSION} of export {EXPORT} can't be read, ")
        assert text.endswith(".")
        assert text.count(". ") == 0
        assert "recognisable" not in text
        return True
    return False


def test_every_object_of_a_snapshot_is_covered_by_these_tests(filled: Filled) -> None:
    assert {path.name for path in filled.folder.iterdir()} == set(filled.readers())


def test_a_recognisable_address_is_found_in_no_file_of_a_snapshot(root: Path, filled: Filled) -> None:
    filled.carry()
    some_hash: int = PEOPLE["address_hash"][0]
    for file in root.rglob("*"):
        assert "person" not in file.name
        if file.is_file():
            content = file.read_bytes()
            assert b"recognisable" not in content
            assert some_hash.to_bytes(16, "little") not in content


def test_a_byte_changed_in_any_object_of_a_snapshot_is_noticed_by_who_reads_it(filled: Filled) -> None:
    for name, readers in filled.readers().items():
        whole = (filled.folder / name).read_bytes()
        for position in [*range(0, len(whole), 101), *range(34), *range(len(whole) - 18, len(whole))]:
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            (filled.folder / name).write_bytes(changed)
            assert all(map(refused, readers)), (name, position)
        (filled.folder / name).write_bytes(whole)
        assert not any(map(refused, readers))


def test_an_object_of_a_snapshot_cut_anywhere_is_never_read_as_whole(filled: Filled) -> None:
    for name, readers in filled.readers().items():
        whole = (filled.folder / name).read_bytes()
        for length in [*range(34), *range(34, len(whole), 101), len(whole) - 1]:
            (filled.folder / name).write_bytes(whole[:length])
            assert all(map(refused, readers)), (name, length)
        (filled.folder / name).write_bytes(whole)


def test_objects_swapped_between_shards_kinds_and_versions_are_refused(filled: Filled) -> None:
    swaps = [
        (f"{other}{name}", name)
        for name in filled.readers()
        for other in ("", f"../{NEXT}/")
        if other or name.startswith("00000")
    ]
    for source, name in swaps:
        target = name if source != name else name.replace("00000", "00001")
        whole = (filled.folder / target).read_bytes()
        shutil.copy(filled.folder / source, filled.folder / target)
        assert all(map(refused, filled.readers()[target])), (source, target)
        (filled.folder / target).write_bytes(whole)


def test_a_snapshot_of_another_export_is_refused(
    root: Path, folder: Objects, keyring: Keyring, filled: Filled
) -> None:
    shutil.copytree(filled.folder, root / "snapshots" / "other" / VERSION)

    with pytest.raises(UnreadableSnapshot, match=r" of export other can't be read, "):
        read_manifest(folder, keyring, "other", VERSION)
    stolen = msgspec.structs.replace(filled.kept, export="other")
    with pytest.raises(UnreadableSnapshot):
        read_hashes(folder, keyring, stolen)


def test_a_shard_that_is_missing_makes_the_snapshot_unreadable(filled: Filled) -> None:
    for name, readers in filled.readers().items():
        if name != "manifest":
            moved = (filled.folder / name).rename(filled.folder / "moved")
            for read in readers:
                with pytest.raises(UnreadableSnapshot, match=CAN_NOT + rf"its object {name} is missing\.$"):
                    read()
            moved.rename(filled.folder / name)


def test_a_key_that_is_no_more_makes_the_snapshot_unreadable(folder: Objects, filled: Filled) -> None:
    stranger = Keyring([bytes(32)])
    told = (
        CAN_NOT
        + r"no key fits what was encrypted as snapshot/.*; add the key that encrypted it to [A-Z_]+\.$"
    )

    with pytest.raises(UnreadableSnapshot, match=told):
        read_manifest(folder, stranger, EXPORT, VERSION)
    with pytest.raises(UnreadableSnapshot, match=told):
        read_hashes(folder, stranger, filled.kept)


def test_a_snapshot_of_an_older_key_is_read(folder: Objects, filled: Filled) -> None:
    rotated = Keyring([bytes(32), bytes(range(32))])

    assert read_manifest(folder, rotated, EXPORT, VERSION) == filled.kept
    assert read_hashes(folder, rotated, filled.kept).height == PEOPLE.height


def test_a_manifest_of_a_later_format_is_told_from_damage(folder: Objects, keyring: Keyring) -> None:
    content = msgspec.msgpack.encode({"format": 2, "shards": "elsewhere"})
    folder.put(f"snapshots/{EXPORT}/{VERSION}/manifest", sealed(keyring, content, "manifest"))

    told = CAN_NOT + r"it has format 2 and this version of segment-export knows format 1 only\.$"
    with pytest.raises(UnreadableSnapshot, match=told):
        read_manifest(folder, keyring, EXPORT, VERSION)


def sealed(keyring: Keyring, content: bytes, name: str) -> bytes:
    return keyring.seal(content, f"snapshot/{EXPORT}/{VERSION}/{name}")


def manifest_with(filled: Filled, **others: object) -> bytes:
    said = msgspec.to_builtins(filled.kept, builtin_types=(bytes,))
    return msgspec.msgpack.encode(said | others)


def test_what_was_sealed_by_the_key_but_is_no_manifest_makes_the_snapshot_unreadable(
    folder: Objects, keyring: Keyring, filled: Filled
) -> None:
    contents = [
        b"",
        b"\xc1",
        b"{}",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"format": 1}),
        manifest_with(filled, excluded=bytes(15)),
        manifest_with(filled, shards=[4, 0]),
        manifest_with(filled, members=-1),
        manifest_with(filled, export=b"\xff"),
        manifest_with(filled, quarantine=[{"address_hash": bytes(15)}]),
    ]
    for content in contents:
        folder.put(f"snapshots/{EXPORT}/{VERSION}/manifest", sealed(keyring, content, "manifest"))
        with pytest.raises(UnreadableSnapshot, match=CAN_NOT + r"its manifest holds something else\.$"):
            read_manifest(folder, keyring, EXPORT, VERSION)


@pytest.mark.parametrize("name", ["00000.hashes", "00000.addresses"])
def test_what_was_sealed_by_the_key_but_is_no_shard_makes_the_snapshot_unreadable(
    folder: Objects, keyring: Keyring, filled: Filled, name: str
) -> None:
    other = filled.folder / name.replace("00000", "00001")
    context = f"snapshot/{EXPORT}/{VERSION}/{name}"
    fewer_rows = keyring.open(other.read_bytes(), context.replace("00000", "00001"))
    for content in (b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1", bytes(100), fewer_rows):
        folder.put(f"snapshots/{EXPORT}/{VERSION}/{name}", keyring.seal(content, context))
        told = CAN_NOT + rf"its object {name} holds something else than the manifest says\.$"
        with pytest.raises(UnreadableSnapshot, match=told):
            list(read_rows(folder, keyring, filled.kept, PEOPLE["address_hash"]))


def test_addresses_that_are_not_those_of_the_hashes_make_the_snapshot_unreadable(
    folder: Objects, keyring: Keyring, filled: Filled
) -> None:
    kept = store(folder, keyring, [PEOPLE.reverse()], version="reversed")
    for name in ("00000.addresses", "00001.addresses"):
        content = folder.get(f"snapshots/{EXPORT}/reversed/{name}")
        opened = keyring.open(content, f"snapshot/{EXPORT}/reversed/{name}")
        folder.put(f"snapshots/{EXPORT}/{VERSION}/{name}", sealed(keyring, opened, name))

    assert kept.shards == filled.kept.shards
    assert refused(filled.rows)


def test_a_store_that_is_out_of_reach_is_no_unreadable_snapshot(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[SegmentExportError] = [RetryLater("Later."), TellOperator("The store is forbidden.")]
    for error in errors:

        def fail(_: LocalFolder, __: str, error: SegmentExportError = error) -> bytes:
            raise error

        monkeypatch.setattr(LocalFolder, "get", fail)
        for read in (filled.manifest, filled.hashes, filled.rows, filled.carry):
            with pytest.raises(type(error), match=str(error)):
                read()


def test_a_snapshot_that_is_not_there_is_missing(folder: Objects, keyring: Keyring) -> None:
    with pytest.raises(MissingObject, match=r"^The object snapshots/newsletter/never/manifest is missing "):
        read_manifest(folder, keyring, EXPORT, "never")
