import base64
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import TellOperator
from worker.keyring import Keyring, parse_keys

OLD, NEW = b"o" * 32, b"n" * 32


@given(plaintext=st.binary(max_size=200), context=st.text(st.characters(codec="utf-8"), max_size=50))
def test_what_is_sealed_can_be_opened_for_the_same_context(plaintext: bytes, context: str) -> None:
    ring = Keyring([NEW])
    assert ring.open(ring.seal(plaintext, context), context) == plaintext


@given(position=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_anywhere_is_noticed(position: int, flip: int) -> None:
    sealed = bytearray(Keyring([NEW]).seal(b"secret", "place"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(TellOperator):
        Keyring([NEW]).open(bytes(sealed), "place")


@given(length=st.integers(min_value=0, max_value=37))
def test_a_truncated_value_is_refused(length: int) -> None:
    sealed = Keyring([NEW]).seal(b"secret", "place")
    with pytest.raises(TellOperator, match="is damaged, was tampered with or belongs elsewhere"):
        Keyring([NEW]).open(sealed[:length] if length > 3 else b"", "place")


def test_a_value_moved_to_another_context_is_refused_in_one_sentence() -> None:
    ring = Keyring([NEW])
    sealed = ring.seal(b"secret", "run/1")
    with pytest.raises(TellOperator) as caught:
        ring.open(sealed, "run/2")
    assert str(caught.value) == (
        "What was encrypted as run/2 is damaged, was tampered with or belongs elsewhere; "
        "restore it from a backup or make it anew."
    )


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    before = Keyring([OLD]).seal(b"secret", "place")
    rotated = Keyring([NEW, OLD])
    assert rotated.open(before, "place") == b"secret"
    assert Keyring([NEW]).open(rotated.seal(b"secret", "place"), "place") == b"secret"


def test_a_value_of_an_unknown_key_says_which_variable_lacks_it() -> None:
    with pytest.raises(TellOperator) as caught:
        Keyring([NEW]).open(Keyring([OLD]).seal(b"secret", "place"), "place")
    assert str(caught.value) == (
        "No key fits what was encrypted as place; "
        "add the key that encrypted it to SEGMENT_EXPORT_SECRET_KEYS."
    )


def test_the_same_text_is_sealed_differently_each_time() -> None:
    ring = Keyring([NEW])
    assert len({ring.seal(b"secret", "place") for _ in range(100)}) == 100


def test_a_keyring_never_shows_its_keys() -> None:
    assert "nnnn" not in repr(Keyring([NEW]))


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b""]])
def test_a_keyring_takes_only_keys_of_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(TellOperator, match="each of 32 bytes"):
        Keyring(keys)


@given(keys=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4))
def test_keys_are_parsed_from_both_alphabets_with_or_without_padding(keys: list[bytes]) -> None:
    sealed = Keyring(keys).seal(b"x", "c")
    plain = " , ".join(base64.b64encode(key).decode() for key in keys) + "\n"
    urlsafe = ",".join(base64.urlsafe_b64encode(key).decode().rstrip("=") for key in keys)
    for text in (plain, urlsafe):
        assert parse_keys(text).open(sealed, "c") == b"x"


@pytest.mark.parametrize(
    "bad", ["", "secretsecret", "ä" * 43, base64.b64encode(b"31 bytes" * 4 + b"x").decode()]
)
def test_a_malformed_key_is_named_by_position_and_not_shown(bad: str) -> None:
    good = base64.b64encode(NEW).decode()
    with pytest.raises(TellOperator) as caught:
        parse_keys(f"{good},{bad}")
    assert str(caught.value) == (
        "Key 2 of SEGMENT_EXPORT_SECRET_KEYS is not 32 bytes in base64; "
        "make a key with `openssl rand -base64 32` and separate several with commas."
    )


def test_importing_the_keyring_does_not_load_the_cryptography() -> None:
    code = "import sys, worker.keyring, worker.credentials; print('cryptography' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert found.stdout.strip() == "False"
