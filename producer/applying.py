"""Apply a configuration file: check all of it, then save all of it, and say what it changed."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from producer.catalog_file import load
from producer.declaring import CatalogRefused
from producer.problems import CatalogProblem
from worker import credentials
from worker.credentials import ENCRYPTED
from worker.exports import channels
from worker.exports.channels import Notification
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Connection, Named
from worker.keyring import Keyring
from worker.settings import environ as process_environment
from worker.state.catalog import Beside, Catalog

What: TypeAlias = Literal["added", "changed", "unchanged"]
Reveal = Callable[[Connection], str | None]
RevealFor = Callable[[str, str], str | None]

_Definition = TypeVar("_Definition", bound=Named)


@dataclass(frozen=True, slots=True)
class Change:
    """What applying meant for one definition; `kind` is connection, segment, export or notification."""

    kind: str
    name: str
    what: What


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of each definition of a file, and what to look after."""

    changes: tuple[Change, ...]
    warnings: tuple[CatalogProblem, ...]


def apply(
    path: Path,
    catalog: Catalog,
    keyring: Keyring,
    environ: Mapping[str, str] | None = None,
    *,
    content: bytes | None = None,
    try_references: bool = True,
    beside: Beside | None = None,
) -> Applied:
    """Save what a file declares, if nothing is wrong with it; definitions that it does not name stay.

    References are tried in `environ`, this process' own by default, and those that fail become warnings;
    with `try_references` false they are not.
    `content` is what stands in the file, if it is not here; `beside` is as for `Catalog.edit`.

    Raises:
        CatalogRefused: something is wrong with the file; nothing was saved.
    """
    keys = _Keys(keyring, process_environment() if environ is None else environ, tried=try_references)
    applied: list[Applied] = []

    def decide(before: Definitions) -> Edit:
        declared = load(
            path,
            known=before,
            seal=keys.seal,
            seal_for=keys.seal_for,
            unresolved=keys.why_unresolved,
            content=content,
        )
        if declared.problems:
            raise CatalogRefused(declared.problems)
        found = tuple(changes(before, declared.definitions, keys.reveal, keys.reveal_for))
        applied.append(Applied(found, declared.warnings))
        return _moved(declared.definitions, found)

    catalog.edit(decide, beside)
    return applied[-1]


def changes(
    before: Definitions, after: Definitions, reveal: Reveal, reveal_for: RevealFor
) -> Iterator[Change]:
    """What each definition of `after` would change in `before`.

    A key is encrypted differently each time, so encrypted keys are compared by what `reveal(connection)` says
    they are, and secrets of channels by `reveal_for(place, reference)`; None is unknown, and equals nothing.
    """
    same_connection = partial(_same_connection, reveal)
    yield from _compare("connection", before.connections, after.connections, same_connection)
    yield from _compare("segment", before.segments, after.segments, operator.eq)
    yield from _compare("export", before.exports, after.exports, operator.eq)
    same_channel = partial(_same_channel, reveal_for)
    yield from _compare("notification", before.notifications, after.notifications, same_channel)


class _Keys:
    def __init__(self, keyring: Keyring, environ: Mapping[str, str], *, tried: bool) -> None:
        self._keyring = keyring
        self._environ = environ
        self._tried = tried

    def seal(self, connection: str, key: str) -> str:
        return credentials.seal(key, connection, self._keyring)

    def reveal(self, connection: Connection) -> str | None:
        try:
            return self._look_up(connection.name, connection.api_key)
        except credentials.Unresolved:
            return None

    def seal_for(self, place: str, text: str) -> str:
        return credentials.seal_for(place, text, self._keyring)

    def reveal_for(self, place: str, reference: str) -> str | None:
        try:
            return credentials.look_up_for(place, reference, self._keyring, self._environ)
        except credentials.Unresolved:
            return None

    def why_unresolved(self, connection: str, reference: str) -> str:
        if not self._tried:
            return ""
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


def _same_channel(reveal_for: RevealFor, before: Notification, after: Notification) -> bool:
    if type(before) is not type(after):
        return False
    closed = [field for field in before.secrets if _encrypted(before, field) and _encrypted(after, field)]
    if before.model_copy(update={field: getattr(after, field) for field in closed}) != after:
        return False
    opened = [
        (reveal_for(place, getattr(before, field)), reveal_for(place, getattr(after, field)))
        for field, place in ((field, channels.context(before.name, field)) for field in closed)
    ]
    return all(old is not None and old == new for old, new in opened)


def _encrypted(channel: Notification, field: str) -> bool:
    return str(getattr(channel, field)).startswith(ENCRYPTED)


def _moved(definitions: Definitions, found: tuple[Change, ...]) -> Edit:
    moved = {(change.kind, change.name) for change in found if change.what != "unchanged"}
    kinds = (
        ("connection", definitions.connections),
        ("segment", definitions.segments),
        ("export", definitions.exports),
        ("notification", definitions.notifications),
    )
    return Edit(save=[one for kind, named in kinds for one in named.values() if (kind, one.name) in moved])
