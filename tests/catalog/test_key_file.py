import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from worker.errors import TellOperator
from worker.keyring import load_or_create


def test_a_key_file_is_made_on_first_use_and_used_again(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret.keys"
    sealed = load_or_create(path).seal(b"secret", "place")
    assert load_or_create(path).open(sealed, "place") == b"secret"


def test_a_new_key_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret.keys"
    load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.keys"
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(TellOperator) as caught:
        load_or_create(path)
    assert str(caught.value) == (
        f"The key file {path} is open to others than its owner (mode {mode:04o}); run `chmod 600 {path}`."
    )


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from worker.keyring import load_or_create; sys.stdin.read(); "
        "sys.stdout.buffer.write(load_or_create(pathlib.Path(sys.argv[1])).seal(b'secret', 'place'))"
    )
    path = tmp_path / "var" / "secret.keys"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    sealed = [process.communicate()[0] for process in started]
    ring = load_or_create(path)
    assert [ring.open(one, "place") for one in sealed] == [b"secret"] * 6
    assert list(path.parent.iterdir()) == [path]


def test_a_loser_of_the_race_takes_the_key_of_the_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "secret.keys", tmp_path / "other.keys"
    winner = load_or_create(other)
    link = os.link

    def link_late(draft: Path, target: Path) -> None:
        link(other, path)
        link(draft, target)

    monkeypatch.setattr(os, "link", link_late)
    assert winner.open(load_or_create(path).seal(b"secret", "place"), "place") == b"secret"


@pytest.mark.parametrize("content", ["", "not a key", "\0\xff"])
def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret.keys"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(TellOperator, match=f"Key 1 of the key file {path} is not 32 bytes"):
        load_or_create(path)
    assert path.read_text() == content


def test_a_pipe_in_its_place_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "secret.keys"
    os.mkfifo(path, 0o600)
    with pytest.raises(TellOperator, match=r"can't be read \(not a regular file\)"):
        load_or_create(path)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TellOperator, match=f"The key file {tmp_path} can't be read"):
        load_or_create(tmp_path)


def test_a_file_where_its_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(TellOperator) as caught:
        load_or_create(tmp_path / "var" / "secret.keys")
    assert str(caught.value) == (
        f"The key file {tmp_path}/var/secret.keys can't be read (Not a directory); "
        "mend that or set SEGMENT_EXPORT_SECRET_KEYS."
    )


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.keys"
    path.symlink_to(tmp_path / "nowhere" / "keys")
    with pytest.raises(TellOperator, match=f"The key file {path} can't be made"):
        load_or_create(path)
