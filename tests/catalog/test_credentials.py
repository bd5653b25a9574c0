import os
from pathlib import Path

import pytest

from worker import credentials
from worker.credentials import resolve
from worker.errors import StopRun
from worker.keyring import Keyring

KEY = "0123456789abcdef0123456789abcdef-us6"


def refusal(
    reference: str, keyring: Keyring, environ: dict[str, str] | None = None, name: str = "newsletter"
) -> str:
    with pytest.raises(StopRun) as caught:
        resolve(reference, name, keyring, environ or {})
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_a_key_is_found_in_the_environment(keyring: Keyring) -> None:
    assert resolve("env:MC_KEY", "newsletter", keyring, {"MC_KEY": f" {KEY}\n"}) == KEY


def test_a_key_is_found_in_a_file_without_its_line_break(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\r\n")
    assert resolve(f"file:{tmp_path}/key", "newsletter", keyring, {}) == KEY


def test_a_literal_key_is_sealed_and_found_again(keyring: Keyring) -> None:
    reference = credentials.seal(KEY, "newsletter", keyring)
    assert reference.startswith("encrypted:")
    assert KEY not in reference
    assert resolve(reference, "newsletter", keyring, {}) == KEY


def test_a_missing_variable_is_told_with_what_to_do(keyring: Keyring) -> None:
    assert refusal("env:MC_KEY", keyring) == (
        "The API key of connection newsletter is not set: environment variable MC_KEY is missing "
        "in the workers; set it and restart them."
    )


def test_an_empty_variable_is_no_key(keyring: Keyring) -> None:
    assert "environment variable MC_KEY is empty in the workers" in refusal(
        "env:MC_KEY", keyring, {"MC_KEY": " "}
    )


@pytest.mark.parametrize("value", [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}\x00", f"ä{KEY}", KEY * 200])
def test_what_can_be_no_key_is_refused_and_not_shown(keyring: Keyring, value: str) -> None:
    assert "holds something else than an API key in the workers" in refusal(
        "env:MC_KEY", keyring, {"MC_KEY": value}
    )


def test_a_missing_file_is_told(keyring: Keyring, tmp_path: Path) -> None:
    assert refusal(f"file:{tmp_path}/key", keyring) == (
        f"The API key of connection newsletter is not set: file {tmp_path}/key does not exist "
        "in the workers; put the key there and nothing else."
    )


def test_a_huge_file_is_not_read_as_a_key(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x" * 10_000_000)
    assert "holds something else than an API key" in refusal(f"file:{tmp_path}/key", keyring)


def test_a_pipe_is_refused_without_waiting(keyring: Keyring, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    assert "can't be read (not a regular file)" in refusal(f"file:{tmp_path}/key", keyring)


def test_a_folder_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    assert "can't be read" in refusal(f"file:{tmp_path}", keyring)


def test_a_key_copied_to_another_connection_is_refused(keyring: Keyring) -> None:
    reference = credentials.seal(KEY, "newsletter", keyring)
    assert refusal(reference, keyring, name="other") == (
        "The API key of connection other is not set: it is damaged, or encrypted for another connection or "
        "with a key that SEGMENT_EXPORT_SECRET_KEYS does not hold in the workers; add that key, or apply the "
        "connection with its API key again."
    )


@pytest.mark.parametrize("reference", ["encrypted:", "encrypted:%%", "encrypted:AAAA", "encrypted:ä"])
def test_a_damaged_reference_is_refused(keyring: Keyring, reference: str) -> None:
    assert "it is damaged, or" in refusal(reference, keyring)


def test_a_reference_of_an_unknown_kind_is_refused_and_not_shown(keyring: Keyring) -> None:
    assert refusal(KEY, keyring) == (
        "The API key of connection newsletter is not set: its reference is of a kind that is not known "
        "in the workers; apply the connection again."
    )
