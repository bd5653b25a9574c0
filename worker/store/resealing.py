"""Seals what is in the store anew with the first key, object by object, while everybody works on.

What is staged is left alone: the ledger says where its frames lie, and it is gone when its run has ended.
An object is written once, or again with the same content, so it does not matter which of two writers is last.
What is known of an audience alone is replaced by something else, and an older reading of that means only that
more is read again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from worker.errors import TellOperator
from worker.keyring import ID_BYTES, Keyring
from worker.store.interface import MissingObject, Objects

STAGED: Final = "staged"
ROOMS: Final = {"snapshots": "snapshot", "reports": "report", "audiences": "audiences"}
"""The folders of the store that stay, and what the contexts of their objects begin with instead."""


@dataclass(slots=True)
class Tally:
    """How many things are under the first key already, were sealed anew, or could not be."""

    current: int = 0
    renewed: int = 0
    closed: int = 0


def reseal(objects: Objects, keyring: Keyring, room: str) -> Tally:
    """Seal all objects of a room anew that need it.

    Raises:
        RetryLater: the store can't be reached for the moment; doing it again goes on.
        TellOperator: the store is full or unfit.
    """
    tally = Tally()
    for stored in objects.list(room):
        try:
            if _is_first(objects, keyring, stored.path):
                tally.current += 1
            else:
                tally.renewed += objects.rewrite(stored.path, _renewed(keyring, stored.path))
        except MissingObject:
            continue
        except _Closed:
            tally.closed += 1
    return tally


def staged(objects: Objects, keyring: Keyring) -> Tally:
    """Count what is staged: `closed` is what is under another key than the first."""
    tally = Tally()
    for stored in objects.list(STAGED):
        try:
            first = _is_first(objects, keyring, stored.path)
        except MissingObject:
            continue
        tally.current += first
        tally.closed += not first
    return tally


class _Closed(Exception):
    """No key opens it, or it is damaged."""


def _is_first(objects: Objects, keyring: Keyring, path: str) -> bool:
    try:
        return keyring.is_first(objects.get_range(path, 0, ID_BYTES))
    except TellOperator:
        # shorter than anything that was sealed, or the store itself is unfit, which the next step says
        return False


def _renewed(keyring: Keyring, path: str) -> Callable[[bytes], bytes]:
    room, _, rest = path.partition("/")
    return partial(_sealed_anew, keyring, f"{ROOMS[room]}/{rest}")


def _sealed_anew(keyring: Keyring, context: str, sealed: bytes) -> bytes:
    try:
        content = keyring.open(sealed, context)
    except TellOperator:
        raise _Closed from None
    return keyring.seal(content, context)
