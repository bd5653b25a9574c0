"""Resolve the reference of an API key where it is used: in the workers."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from worker.errors import SegmentExportError, StopRun, TellOperator
from worker.keyring import VARIABLE, Keyring
from worker.small_files import read_regular

ENCRYPTED: Final = "encrypted:"
REFERENCES: Final = ("env:", "file:")

_KEY_LIMIT = 4096


class Unresolved(SegmentExportError):
    """A reference that leads to no key here: reason and remedy, as clauses for a sentence."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


def seal(key: str, connection: str, keyring: Keyring) -> str:
    """The `encrypted:` reference of a literal key; it can be opened for that connection only."""
    return seal_for(context(connection), key, keyring)


def seal_for(place: str, text: str, keyring: Keyring) -> str:
    """The `encrypted:` reference of a text; it can be opened for that place only."""
    return ENCRYPTED + base64.b64encode(keyring.seal(text.encode(), place)).decode()


def resolve(reference: str, connection: str, keyring: Keyring, environ: Mapping[str, str]) -> str:
    """The API key behind a reference, in a worker.

    Raises:
        StopRun: there is no key behind it; the sentence says why and never shows the key.
    """
    try:
        return look_up(reference, connection, keyring, environ)
    except Unresolved as fault:
        reason = f"{fault.reason} in the workers; {fault.remedy}"
        raise StopRun(f"The API key of connection {connection} is not set: {reason}.") from None


def look_up(reference: str, connection: str, keyring: Keyring, environ: Mapping[str, str]) -> str:
    """The API key behind a reference, in any process.

    Raises:
        Unresolved: there is no key behind it here.
    """
    return look_up_for(context(connection), reference, keyring, environ)


def look_up_for(place: str, reference: str, keyring: Keyring, environ: Mapping[str, str]) -> str:
    """The text behind a reference, an encrypted one if it was encrypted for that place.

    Raises:
        Unresolved: there is none behind it here.
    """
    kind, _, where = reference.partition(":")
    match kind:
        case "env":
            return _from_environment(where, environ)
        case "file":
            return _from_file(Path(where))
        case "encrypted":
            return _decrypted(where, place, keyring)
    raise Unresolved("its reference is of a kind that is not known", "apply the connection again")


def context(connection: str) -> str:
    """What the API key of a connection is encrypted for."""
    return f"the API key of connection {connection}"


def _from_environment(variable: str, environ: Mapping[str, str]) -> str:
    place, remedy = f"environment variable {variable}", "set it and restart them"
    if variable not in environ:
        raise Unresolved(f"{place} is missing", remedy)
    return _usable(environ[variable], place, remedy)


def _from_file(path: Path) -> str:
    place, remedy = f"file {path}", "put the key there and nothing else"
    try:
        content, _ = read_regular(path, _KEY_LIMIT + 1)
    except FileNotFoundError:
        raise Unresolved(f"{place} does not exist", remedy) from None
    except OSError as error:
        raise Unresolved(f"{place} can't be read ({error.strerror})", "let them read it") from None
    return _usable(content.decode("utf-8", "replace"), place, remedy)


def _usable(value: str, place: str, remedy: str) -> str:
    key = value.strip()
    if not key:
        raise Unresolved(f"{place} is empty", remedy)
    if len(key) > _KEY_LIMIT or not (key.isascii() and key.isprintable()) or " " in key:
        raise Unresolved(f"{place} holds something else than an API key", remedy)
    return key


def _decrypted(text: str, place: str, keyring: Keyring) -> str:
    try:
        return keyring.open(base64.b64decode(text, validate=True), place).decode()
    except (ValueError, TellOperator):
        raise Unresolved(
            f"it is damaged, or encrypted for another connection or with a key that {VARIABLE} does not hold",
            "add that key, or apply the connection with its API key again",
        ) from None
