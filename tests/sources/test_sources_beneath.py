"""What begins below a root of sources ends there: no link leads out, whenever it is put there."""

import os
from pathlib import Path

import pytest

from worker.errors import StopRun
from worker.exports.local_paths import local_path, root_of
from worker.sources import open_segment

CSV = "email\nann@x.org\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "r1").mkdir(parents=True)
    (tmp_path / "root" / "r1" / "loyal.csv").write_text(CSV)
    (tmp_path / "secret.csv").write_text("email\nsecret@x.org\n")
    return tmp_path / "root"


def emails(source: Path, root: Path, refresh_id: str | None = None) -> list[str]:
    with open_segment("loyal", str(source), refresh_id, [root]) as table:
        return [email for batch in table.batches(["email"]) for email in batch["email"]]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_below_the_root_is_read(root: Path) -> None:
    assert emails(root / "r1" / "loyal.csv", root) == ["ann@x.org"]
    assert emails(root / "{refresh_id}" / "{segment}.csv", root, "r1") == ["ann@x.org"]
    assert emails(root / "{refresh_id}" / "{segment}.csv", root) == ["ann@x.org"]


def test_a_link_within_the_root_is_followed(root: Path) -> None:
    (root / "current").symlink_to("r1")
    assert emails(root / "current" / "loyal.csv", root) == ["ann@x.org"]


def test_a_root_may_be_a_link_itself(root: Path) -> None:
    linked = root.parent / "linked"
    linked.symlink_to(root)
    assert emails(linked / "r1" / "loyal.csv", linked) == ["ann@x.org"]


@pytest.mark.parametrize("target", ["../../secret.csv", "/etc/passwd"])
def test_rule_4_a_link_out_of_the_root_is_not_opened(root: Path, target: str) -> None:
    (root / "r1" / "out.csv").symlink_to(target)
    with pytest.raises(
        StopRun, match=r"out\.csv leads out of .*root by a link, and sources below it have to"
    ):
        emails(root / "r1" / "out.csv", root)


def test_rule_4_a_linked_folder_out_of_the_root_is_not_entered(root: Path) -> None:
    (root / "up").symlink_to(root.parent)
    with pytest.raises(StopRun, match="leads out of"):
        emails(root / "up" / "secret.csv", root)


@pytest.mark.parametrize("step", ["r1", "loyal.csv"])
def test_rule_4_a_link_that_is_put_there_in_between_is_not_followed(
    root: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and opening, somebody replaces a folder, or the file, by a link that leads out."""
    (root.parent / "loyal.csv").write_text("email\nsecret@x.org\n")
    real_open = os.open

    def raced(path: str, *rest: int, dir_fd: int | None = None) -> int:
        if path == step and not (root / "moved").exists():
            there = root / "r1" if step == "r1" else root / "r1" / "loyal.csv"
            there.rename(root / "moved")
            there.symlink_to(root.parent if step == "r1" else root.parent / "secret.csv")
        return real_open(path, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", raced)
    with pytest.raises(StopRun, match=r"can't be opened|does not exist"):
        emails(root / "r1" / "loyal.csv", root)


def test_a_file_that_is_not_there_is_told_as_ever(root: Path) -> None:
    with pytest.raises(StopRun, match="does not exist: check the segment's source"):
        emails(root / "r2" / "loyal.csv", root)


def test_the_operators_own_sources_elsewhere_are_read_as_ever(root: Path) -> None:
    assert emails(root.parent / "secret.csv", root) == ["secret@x.org"]


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "up").symlink_to(root.parent)
    before = _descriptors()
    for _ in range(5):
        emails(root / "r1" / "loyal.csv", root)
        with pytest.raises(StopRun):
            emails(root / "up" / "secret.csv", root)
    assert _descriptors() == before


def test_words_alone_tell_whether_a_path_is_below_a_root() -> None:
    roots = [Path("/srv/data"), Path("/mnt")]
    assert root_of(Path("/srv/data/x.csv"), roots) == Path("/srv/data")
    assert root_of(local_path("file:///mnt/{refresh_id}.csv"), roots) == Path("/mnt")
    for path in ("/srv/database/x.csv", "/srv/data", "data/x.csv", "/srv/data/../x.csv", "/etc/x.csv"):
        assert root_of(Path(path), roots) is None
