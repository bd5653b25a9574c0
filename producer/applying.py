"""Apply a configuration file: check all of it, then save all of it, and say what it changed."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from producer.catalog_file import load
from producer.problems import CatalogProblem
from worker import credentials
from worker.credentials import ENCRYPTED
from worker.errors import UsageError
from worker.exports.definitions import Connection, Named
from worker.keyring import Keyring
from worker.settings import environ as process_environment
from worker.state.catalog import Catalog, Definitions

What: TypeAlias = Literal["added", "changed", "unchanged"]
Reveal = Callable[[Connection], str | None]

_Definition = TypeVar("_Definition", bound=Named)


@dataclass(frozen=True, slots=True)
class Change:
    """What applying meant for one definition; `kind` is connection, segment or export."""

    kind: str
    name: str
    what: What


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of each definition of a file, and what to look after."""

    changes: tuple[Change, ...]
    warnings: tuple[CatalogProblem, ...]


class CatalogRefused(UsageError):
    """A file with problems, of which nothing was saved; the text is one problem a line."""

    def __init__(self, problems: tuple[CatalogProblem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def apply(
    path: Path, catalog: Catalog, keyring: Keyring, environ: Mapping[str, str] | None = None
) -> Applied:
    """Save what a file declares, if nothing is wrong with it; definitions that it does not name stay.

    References are tried in `environ`, this process' own by default, and those that fail become warnings.

    Raises:
        CatalogRefused: something is wrong with the file; nothing was saved.
    """
    keys = _Keys(keyring, process_environment() if environ is None else environ)
    before = catalog.everything()
    declared = load(path, known=before, seal=keys.seal, unresolved=keys.why_unresolved)
    if declared.problems:
        raise CatalogRefused(declared.problems)
    found = tuple(changes(before, declared.definitions, keys.reveal))
    _save(catalog, declared.definitions, found)
    return Applied(found, declared.warnings)


def changes(before: Definitions, after: Definitions, reveal: Reveal) -> Iterator[Change]:
    """What each definition of `after` would change in `before`.

    A key is encrypted differently each time, so encrypted keys are compared by what `reveal(connection)` says
    they are; None is unknown, and equals nothing.
    """
    same_connection = partial(_same_connection, reveal)
    yield from _compare("connection", before.connections, after.connections, same_connection)
    yield from _compare("segment", before.segments, after.segments, operator.eq)
    yield from _compare("export", before.exports, after.exports, operator.eq)


class _Keys:
    def __init__(self, keyring: Keyring, environ: Mapping[str, str]) -> None:
        self._keyring = keyring
        self._environ = environ

    def seal(self, connection: str, key: str) -> str:
        return credentials.seal(key, connection, self._keyring)

    def reveal(self, connection: Connection) -> str | None:
        try:
            return self._look_up(connection.name, connection.api_key)
        except credentials.Unresolved:
            return None

    def why_unresolved(self, connection: str, reference: str) -> str:
        try:
            self._look_up(connection, reference)
        except credentials.Unresolved as fault:
            return fault.reason
        return ""

    def _look_up(self, connection: str, reference: str) -> str:
        return credentials.look_up(reference, connection, self._keyring, self._environ)


def _compare(
    kind: str,
    before: Mapping[str, _Definition],
    after: Mapping[str, _Definition],
    same: Callable[[_Definition, _Definition], bool],
) -> Iterator[Change]:
    for name, definition in after.items():
        if name not in before:
            yield Change(kind, name, "added")
        else:
            yield Change(kind, name, "unchanged" if same(before[name], definition) else "changed")


def _same_connection(reveal: Reveal, before: Connection, after: Connection) -> bool:
    if before.model_copy(update={"api_key": after.api_key}) != after:
        return False
    if before.api_key == after.api_key:
        return True
    encrypted = before.api_key.startswith(ENCRYPTED) and after.api_key.startswith(ENCRYPTED)
    key = reveal(before) if encrypted else None
    return key is not None and key == reveal(after)


def _save(catalog: Catalog, definitions: Definitions, found: tuple[Change, ...]) -> None:
    moved = {(change.kind, change.name) for change in found if change.what != "unchanged"}
    catalog.save(
        [one for name, one in definitions.connections.items() if ("connection", name) in moved],
        [one for name, one in definitions.segments.items() if ("segment", name) in moved],
        [one for name, one in definitions.exports.items() if ("export", name) in moved],
    )
