"""A store in a local folder: its modes, its leftovers, and a disk that fails."""

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from worker.errors import RetryLater, SegmentExportError, TellOperator
from worker.store import folder as folder_module
from worker.store.folder import LocalFolder
from worker.store.objects import Objects, open_store

HOUR = 3600


def files_below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def failing(code: int) -> Callable[..., Any]:
    def fail(*_args: object, **_options: object) -> Any:
        raise OSError(code, os.strerror(code), "the/path")

    return fail


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_may_enter_the_folders_and_read_the_files(root: Path) -> None:
    store = open_store(root.as_uri())
    store.put("staged/r1/1/00000", b"x")
    store.put("staged/r1/1/00000", b"y")

    for path in [root, *root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_was_there_keeps_its_mode(root: Path) -> None:
    root.mkdir(mode=0o750)

    open_store(root.as_uri())

    assert stat.S_IMODE(root.stat().st_mode) == 0o750


def test_missing_folders_above_the_store_are_made(tmp_path: Path) -> None:
    open_store((tmp_path / "srv" / "exports" / "var").as_uri()).put("a", b"x")

    assert (tmp_path / "srv" / "exports" / "var" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_object_whole(
    root: Path, folder: Objects, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    folder.put("a", b"old")
    monkeypatch.setattr(os, "fsync", failing(code))

    with pytest.raises(TellOperator) as caught:
        folder.put("a", b"new")

    assert str(caught.value) == f"The store at {root} is full: free some space on its disk."
    assert folder.get("a") == b"old"
    assert files_below(root) == {"a"}


def test_a_disk_that_fills_up_within_a_write_leaves_nothing(root: Path) -> None:
    # a process of its own, since the limit (here in the place of a small disk) would hold for all of this one
    program = (
        "import sys\n"
        "from worker.errors import TellOperator\n"
        "from worker.store.objects import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "try: store.put('a/b', bytes(300_000))\n"
        "except TellOperator as error: print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, root.as_uri()],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == f"The store at {root} is full: free some space on its disk.\n"
    assert files_below(root) == set()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_forbidden_folder_is_one_sentence(
    root: Path, folder: Objects, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "open", failing(code))

    with pytest.raises(TellOperator) as caught:
        folder.put("a", b"new")

    assert str(caught.value) == (
        f"The store at {root} may not be read and written by this process: give its user the right to,"
        " or set SEGMENT_EXPORT_STORE_URL to another folder."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_is_refused_when_the_store_is_opened(root: Path) -> None:
    root.mkdir(mode=0o500)

    with pytest.raises(TellOperator, match="may not be read and written"):
        open_store(root.as_uri())


def test_a_file_in_the_place_of_the_folder_is_refused_when_the_store_is_opened(root: Path) -> None:
    root.write_text("not a folder")

    with pytest.raises(TellOperator) as caught:
        open_store(root.as_uri())

    assert str(caught.value) == (
        f"The store at {root} can't be used (Not a directory): check the disk and SEGMENT_EXPORT_STORE_URL."
    )


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT])
def test_what_passes_by_itself_is_tried_again(
    root: Path, folder: Objects, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "open", failing(code))

    with pytest.raises(RetryLater) as caught:
        folder.put("a", b"new")

    assert str(caught.value) == (
        f"The store at {root} can't be used for the moment ({os.strerror(code)}): it is tried again."
    )


def test_no_error_of_the_system_leaves_the_store_untranslated(
    folder: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in errno.errorcode:
        monkeypatch.setattr(os, "fsync", failing(code))

        with pytest.raises(SegmentExportError) as caught:
            folder.put("a", b"y")

        text = str(caught.value)
        assert text.endswith(".")
        assert text.count(". ") == 0
        assert caught.value.__suppress_context__


def test_drafts_and_folders_of_killed_processes_are_cleared_after_an_hour(
    root: Path, folder: Objects
) -> None:
    folder.put("a", b"x")
    old, young = root / ".scratch" / "old", root / ".scratch" / "young"
    old_folder = root / ".scratch" / "folder"
    (old_folder / "deep").mkdir(parents=True)
    for file in (old, young, old_folder / "deep" / "file"):
        file.write_bytes(b"half")
    past = young.stat().st_mtime - HOUR - 1
    for path in (old, old_folder):
        os.utime(path, (past, past))

    open_store(root.as_uri())

    assert files_below(root) == {"a", ".scratch/young"}
    assert not old_folder.exists()


def test_what_is_not_finished_is_in_no_listing(root: Path, folder: Objects) -> None:
    folder.put("staged/a", b"x")
    (root / ".scratch" / "draft").write_bytes(b"half")

    assert [stored.path for stored in folder.list("staged")] == ["staged/a"]


def test_writing_while_the_folder_is_being_deleted_ends_well(folder: Objects) -> None:
    def write() -> None:
        for part in range(500):
            folder.put(f"staged/r1/1/{part:05d}", b"x")

    writer = Thread(target=write)
    writer.start()
    deleted = 0
    while writer.is_alive():
        if len(list(folder.list("staged/r1"))) > 3:
            folder.delete_prefix("staged/r1")
            deleted += 1
    writer.join()
    folder.put("staged/r1/1/last", b"x")

    assert deleted
    assert folder.get("staged/r1/1/last") == b"x"
    folder.delete_prefix("staged/r1")
    assert list(folder.list("staged")) == []


def test_a_folder_that_is_deleted_as_soon_as_it_is_made_is_made_again(
    folder: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = LocalFolder._make_folder
    in_vain = iter(range(5))

    def made_in_vain(store: LocalFolder, path: Path) -> None:
        make(store, path)
        if next(in_vain, None) is not None:
            store.delete_prefix("staged")

    monkeypatch.setattr(LocalFolder, "_make_folder", made_in_vain)
    folder.put("staged/r1/1/00000", b"x")

    assert folder.get("staged/r1/1/00000") == b"x"


def test_when_the_whole_folder_goes_away_it_is_said(root: Path, folder: Objects) -> None:
    (root / ".scratch").rmdir()

    with pytest.raises(TellOperator) as caught:
        folder.put("a", b"x")

    assert str(caught.value) == (
        f"The store at {root} can't be used (No such file or directory):"
        " check the disk and SEGMENT_EXPORT_STORE_URL."
    )


def test_an_object_in_the_place_of_the_folder_is_not_deleted(folder: Objects) -> None:
    folder.put("staged/r1", b"x")

    folder.delete_prefix("staged/r1")

    assert folder.exists("staged/r1")


def test_what_may_not_be_looked_at_or_deleted_is_not_taken_for_missing(
    root: Path, folder: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("staged/r1/a", b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", failing(errno.EACCES))
        patch.setattr(Path, "stat", failing(errno.EACCES))
        with pytest.raises(TellOperator, match="may not be read and written"):
            folder.delete_prefix("staged/r1")
        with pytest.raises(TellOperator, match="may not be read and written"):
            folder.exists("staged/r1/a")

    assert files_below(root) == {"staged/r1/a"}


def test_several_that_clear_up_the_same_folder_leave_nothing(root: Path, folder: Objects) -> None:
    for part in range(300):
        folder.put(f"staged/r1/{part % 7}/{part:05d}", b"x")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(folder_module._remove, [root / "staged" / "r1"] * 4))

    assert files_below(root) == set()


def test_clearing_up_at_the_same_time_as_somebody_else_ends_well(
    root: Path, folder: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("staged/r1/a", b"x")
    remove = folder_module._remove

    def removed_twice(doomed: Path) -> None:
        remove(doomed)
        remove(doomed)

    monkeypatch.setattr(folder_module, "_remove", removed_twice)
    folder.delete_prefix("staged/r1")

    assert files_below(root) == set()
