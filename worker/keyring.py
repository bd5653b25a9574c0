"""Authenticated encryption of everything at rest: one key encrypts, all of them decrypt.

A sealed value is: key id (first 4 bytes of the key's SHA-256), nonce (12 random bytes), ciphertext with tag.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.errors import TellOperator
from worker.small_files import read_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
ID_BYTES: Final = 4
VARIABLE: Final = "SEGMENT_EXPORT_SECRET_KEYS"

_NONCE_BYTES = 12
_TAG_BYTES = 16
_OVERHEAD = ID_BYTES + _NONCE_BYTES + _TAG_BYTES
_FILE_LIMIT = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Keyring:
    """Keys of 32 bytes, newest first; safe to share between threads.

    Nonces are random, so one key should seal fewer than 2^32 values (NIST SP 800-38D).
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise TellOperator(
                f"A keyring needs at least one key, each of {KEY_BYTES} bytes; check {VARIABLE}."
            )
        self._keys = tuple(keys)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt with the first key; `context` says where the value belongs and must be given to open it."""
        key_id, cipher = self._ciphers[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return key_id + nonce + cipher.encrypt(nonce, plaintext, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made with any of the keys for the same context.

        Raises:
            TellOperator: no key fits, the value was tampered with, or it was sealed for another context.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (slow, and plain commands open nothing)

        fitting = [cipher for key_id, cipher in self._ciphers if sealed[:ID_BYTES] == key_id]
        if len(sealed) >= _OVERHEAD and not fitting:
            raise TellOperator(
                f"No key fits what was encrypted as {context}; add the key that encrypted it to {VARIABLE}."
            )
        nonce, body = sealed[ID_BYTES : ID_BYTES + _NONCE_BYTES], sealed[ID_BYTES + _NONCE_BYTES :]
        for cipher in fitting:
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, body, context.encode())
        raise TellOperator(
            f"What was encrypted as {context} is damaged, was tampered with or belongs elsewhere; "
            "restore it from a backup or make it anew."
        )

    def is_first(self, sealed: bytes) -> bool:
        """Whether the first key sealed a value, of which the first `ID_BYTES` bytes are enough."""
        return sealed[:ID_BYTES] == self._ciphers[0][0]

    @cached_property
    def _ciphers(self) -> list[tuple[bytes, "AESGCM"]]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 (as above)

        return [(hashlib.sha256(key).digest()[:ID_BYTES], AESGCM(key)) for key in self._keys]


def parse_keys(text: str, source: str = VARIABLE) -> Keyring:
    """A keyring from comma-separated keys of 32 bytes in base64; `source` says where the text stands.

    Raises:
        TellOperator: names the malformed key by its position, never by its value.
    """
    return Keyring([_parse_key(part, position, source) for position, part in enumerate(text.split(","), 1)])


def load_or_create(path: Path) -> Keyring:
    """The keyring of a key file of mode 0600, made with one random key when it is not there yet.

    Processes that start together agree on one key: a complete file is linked into place, and the first wins.

    Raises:
        TellOperator: the file can't be made or read, is readable by others, or holds no keys.
    """
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    try:
        _create(path)
        return _read(path)
    except OSError as error:
        raise _unusable(path, "made", error) from None


def _parse_key(part: str, position: int, source: str) -> bytes:
    text = re.sub(r"\s", "", part).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise TellOperator(
            f"Key {position} of {source} is not {KEY_BYTES} bytes in base64; "
            "make a key with `openssl rand -base64 32` and separate several with commas."
        )
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Keyring:
    try:
        content, mode = read_regular(path, _FILE_LIMIT)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, "read", error) from None
    if mode & _OTHERS:
        raise TellOperator(
            f"The key file {path} is open to others than its owner (mode {mode:04o}); run `chmod 600 {path}`."
        )
    return parse_keys(content.decode("ascii", "replace"), f"the key file {path}")


def _unusable(path: Path, act: str, error: OSError) -> TellOperator:
    reason = error.strerror or type(error).__name__
    return TellOperator(f"The key file {path} can't be {act} ({reason}); mend that or set {VARIABLE}.")
