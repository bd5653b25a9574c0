import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest

from worker.errors import StopRun, TellOperator
from worker.sources import open_segment, opening
from worker.sources.private import private_file

_FRAME = pl.DataFrame({"email": [f"{n}@x.org" for n in range(100_000)], "n": range(100_000)})


@pytest.fixture(params=["parquet", "csv", "ndjson"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"loyal.{request.param}"
    getattr(_FRAME, f"write_{request.param}")(path)
    return path


def _emails(table: opening.SegmentTable) -> list[str]:
    return [email for batch in table.batches(["email"]) for email in batch["email"].to_list()]


def test_rows_come_in_their_order_each_time(source: Path) -> None:
    with open_segment("loyal", str(source), None) as table:
        assert (table.segment, table.where, table.columns) == ("loyal", str(source), ("email", "n"))
        assert _emails(table) == _emails(table) == _FRAME["email"].to_list()


@pytest.mark.parametrize("change", ["truncate", "rewrite", "replace", "delete"])
def test_nothing_that_happens_to_an_open_file_changes_what_is_read(source: Path, change: str) -> None:
    with open_segment("loyal", str(source), None) as table:
        batches = table.batches(["email"])
        begun = next(batches)["email"].to_list()
        match change:
            case "truncate":
                os.truncate(source, 10)
            case "rewrite":
                source.write_bytes(b"\0" * source.stat().st_size)
            case "replace":
                source.with_suffix(".new").write_bytes(b"other")
                source.with_suffix(".new").replace(source)
            case _:
                source.unlink()
        assert begun + [email for batch in batches for email in batch["email"]] == _FRAME["email"].to_list()
        assert _emails(table) == _FRAME["email"].to_list()


@pytest.mark.parametrize("damage", [b"", b'\n"never closed'])
def test_a_file_that_changes_while_it_is_copied_stops_the_run(
    source: Path, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = opening._FORMATS[source.suffix]

    def take_and_write(*arguments: Any) -> None:
        with source.open("ab") as file:
            file.write(damage + b"more")
        take(*arguments)

    monkeypatch.setattr(opening, "_FORMATS", {source.suffix: take_and_write})
    with (
        pytest.raises(StopRun, match=rf"/{source.name} changed while it was read: write each refresh under"),
        open_segment("loyal", str(source), None),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are no paths here")
def test_the_private_copy_has_no_name_and_goes_with_the_context(source: Path) -> None:
    with open_segment("loyal", str(source), None) as table:
        assert not table.copy.readlink().exists()
        inode = table.copy.stat().st_ino
        next(table.batches(["email"]))
    assert not table.copy.exists() or table.copy.stat().st_ino != inode


def test_where_descriptors_are_no_paths_the_copy_is_a_private_file_that_goes_too(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.sources.private._OWN_DESCRIPTORS", tmp_path / "none")
    with open_segment("loyal", str(source), None) as table:
        copy = table.copy
        assert copy.stat().st_mode & 0o777 == 0o600
        assert _emails(table) == _FRAME["email"].to_list()
    assert not copy.exists()


def test_several_threads_read_sources_side_by_side(source: Path) -> None:
    found: list[int] = []

    def read() -> None:
        with open_segment("loyal", str(source), None) as table:
            found.append(len(_emails(table)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [_FRAME.height] * 4


def _missing(folder: Path) -> Path:
    return folder / "none.csv"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.csv"


def _folder(folder: Path) -> Path:
    (folder / "a.csv").mkdir()
    return folder / "a.csv"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.csv")
    return folder / "a.csv"


def _loop(folder: Path) -> Path:
    (folder / "a.csv").symlink_to(folder / "a.csv")
    return folder / "a.csv"


def _unknown(folder: Path) -> Path:
    return folder / "a.xlsx"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_missing, r"/none\.csv does not exist: check the segment's source"),
        (_below_a_file, r"/file/a\.csv does not exist"),
        (_folder, r"/a\.csv is a folder: name a \.parquet"),
        (_pipe, r"/a\.csv is no regular file"),
        (_loop, r"/a\.csv can't be opened"),
        (_unknown, r'The source of segment "loyal", .*/a\.xlsx, has an unknown ending'),
    ],
)
def test_what_is_no_readable_file_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], Path], sentence: str
) -> None:
    with pytest.raises(StopRun, match=sentence), open_segment("loyal", str(make(tmp_path)), None):
        pass


def _refuse(*_arguments: Any, **_options: Any) -> NoReturn:
    raise PermissionError


def test_a_file_without_permission_is_one_sentence(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *arguments: Any, really: Callable[..., int] = os.open) -> int:
        return _refuse() if path == source else really(path, *arguments)

    # permissions don't stop root, who may be running this
    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(
            StopRun, match=r"/loyal\.\w+ may not be read by the worker: give its user the right to"
        ),
        open_segment("loyal", str(source), None),
    ):
        pass


def test_an_unwritable_temporary_folder_is_the_operators_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", _refuse)
    with pytest.raises(TellOperator, match="the temporary folder can't be written"), private_file():
        pass


def test_a_full_temporary_folder_is_the_operators_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.parquet"
    _FRAME.write_parquet(path)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with (
        pytest.raises(
            TellOperator, match=r"no room in the temporary folder for a private copy of .*/a\.parquet"
        ),
        open_segment("loyal", str(path), None),
    ):
        pass
