"""What lies in the store can be neither read nor changed unnoticed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.errors import SegmentExportError, TellOperator
from worker.exports.chunks import StagedChunk
from worker.exports.outcomes import Outcome, ReportLine
from worker.keyring import Keyring
from worker.store.objects import Objects
from worker.store.packs import PartWriter, read_chunk
from worker.store.reports import read_lines, write_part

ADDRESS = "recognisable.person@example.com"
LINE = ReportLine("loyal", 1, ADDRESS, Outcome.INVALID, "no_at", "email", f"{ADDRESS} is no address")


class Filled:
    """A store with two runs, of two parts of two chunks and a report each."""

    def __init__(self, objects: Objects, keyring: Keyring) -> None:
        self._objects, self._keyring = objects, keyring
        self.locations = {run_id: self._fill(run_id) for run_id in ("r1", "r2")}

    def _fill(self, run_id: str) -> list[str]:
        writer = PartWriter(self._objects, self._keyring, run_id, 1)
        located: list[tuple[int, int, str]] = []
        for part in ((0, 1), (2, 3)):
            for number in part:
                writer.add(StagedChunk(number, 1, ADDRESS.encode() * 3, b"\1\0\0\0", b"\0"))
            located += writer.commit()
        for name in ("a", "b"):
            write_part(self._objects, self._keyring, run_id, name, [LINE])
        return [location for _, _, location in located]

    def read(self, run_id: str, number: int, *, at: int | None = None, plan: int = 1) -> StagedChunk:
        location = self.locations[run_id][number if at is None else at]
        return read_chunk(self._objects, self._keyring, run_id, plan, number, location)

    def report(self, run_id: str, name: str) -> list[ReportLine]:
        return list(read_lines(self._objects, self._keyring, run_id, [name]))

    def readers(self) -> dict[str, list[Callable[[], object]]]:
        """For each object, all ways to read something from it."""
        found: dict[str, list[Callable[[], object]]] = {}
        for run_id in self.locations:
            for number in range(4):
                path = f"staged/{run_id}/1/0000{number // 2}"
                found.setdefault(path, []).append(lambda r=run_id, n=number: self.read(r, n))  # type: ignore[misc] # mypy can't type defaults of a lambda
            for name in ("a", "b"):
                found[f"reports/{run_id}/{name}"] = [lambda r=run_id, n=name: self.report(r, n)]  # type: ignore[misc] # as above
        return found


@pytest.fixture
def filled(folder: Objects, keyring: Keyring) -> Filled:
    return Filled(folder, keyring)


def refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except SegmentExportError as error:
        text = str(error)
        assert text.endswith(".")
        assert text.count(". ") == 0
        assert ADDRESS not in text
        return True
    return False


def test_every_object_is_covered_by_these_tests(root: Path, filled: Filled) -> None:
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    assert files == set(filled.readers())


def test_a_recognisable_address_is_found_in_no_file(root: Path, filled: Filled) -> None:
    assert ADDRESS.encode() in filled.read("r1", 0).body
    for file in root.rglob("*"):
        assert "person" not in file.name
        if file.is_file():
            content = file.read_bytes()
            assert b"recognisable" not in content
            assert b"example.com" not in content


def test_any_byte_changed_in_any_object_is_noticed_by_who_reads_it(root: Path, filled: Filled) -> None:
    for path, readers in filled.readers().items():
        whole = (root / path).read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            (root / path).write_bytes(changed)
            # a pack holds two chunks: the other one is still what it was
            assert sum(map(refused, readers)) == 1, (path, position)
        (root / path).write_bytes(whole)


def test_an_object_cut_anywhere_is_never_read_as_whole(root: Path, filled: Filled) -> None:
    for path, readers in filled.readers().items():
        whole = (root / path).read_bytes()
        for length in range(len(whole)):
            (root / path).write_bytes(whole[:length])
            assert refused(readers[-1]), (path, length)
        (root / path).write_bytes(whole)


def test_a_chunk_can_not_stand_in_for_another_one(filled: Filled) -> None:
    for number, other in ((0, 1), (1, 0), (0, 2), (3, 0)):
        assert refused(lambda number=number, other=other: filled.read("r1", number, at=other))  # type: ignore[misc] # mypy can't type defaults of a lambda


def test_objects_swapped_between_runs_plans_and_names_are_refused(root: Path, filled: Filled) -> None:
    shutil.copy(root / "staged/r1/1/00000", root / "staged/r2/1/00000")
    (root / "staged/r1/2").mkdir()
    shutil.copy(root / "staged/r1/1/00000", root / "staged/r1/2/00000")
    shutil.copy(root / "staged/r1/1/00000", root / "staged/r1/1/00001")
    shutil.copy(root / "reports/r1/a", root / "reports/r1/b")
    shutil.copy(root / "reports/r1/a", root / "reports/r2/a")

    filled.read("r1", 0)
    assert refused(lambda: filled.read("r2", 0))
    assert refused(lambda: filled.read("r1", 0, plan=2))
    assert refused(lambda: filled.read("r1", 2))
    filled.report("r1", "a")
    assert refused(lambda: filled.report("r1", "b"))
    assert refused(lambda: filled.report("r2", "a"))


def test_what_another_key_wrote_is_refused(filled: Filled, folder: Objects) -> None:
    stranger = Keyring([bytes(32)])

    with pytest.raises(TellOperator, match=r"^No key fits "):
        read_chunk(folder, stranger, "r1", 1, 0, filled.locations["r1"][0])


@pytest.mark.parametrize("content", [b"", b"not compressed", b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00\xc1"])
def test_what_was_sealed_by_the_key_but_is_no_chunk_is_damage(
    folder: Objects, keyring: Keyring, content: bytes
) -> None:
    sealed = keyring.seal(content, "chunk/r1/1/0")
    folder.put("staged/r1/1/00000", sealed)
    folder.put("reports/r1/a", keyring.seal(content, "report/r1/a"))

    with pytest.raises(TellOperator, match=r"^The object staged/r1/1/00000 in the store at .* is damaged "):
        read_chunk(folder, keyring, "r1", 1, 0, f"0:0:{len(sealed)}")
    with pytest.raises(TellOperator, match=r"^The object reports/r1/a in the store at .* is damaged "):
        list(read_lines(folder, keyring, "r1", ["a"]))
