"""What every store can do, whatever it is made of, and what it says when it can't."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from worker.errors import SegmentExportError, TellOperator, UsageError

_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)


class MissingObject(SegmentExportError):
    """There is no object of that name (any more)."""


class Stored(NamedTuple):
    """An object as a listing shows it: path below the store, time of the last write (UTC), size in bytes."""

    path: str
    modified: datetime
    size: int


class Objects(Protocol):
    """Named, immutable-once-read byte strings. Any number of threads may share one.

    Paths are segments of letters, digits, `.`, `_` and `-`, joined by `/`; none begins with a dot.
    All methods raise `TellOperator` when the store is full, forbidden, misconfigured or damaged,
    `RetryLater` when it can't be reached for the moment, and `UsageError` for a path of another form.
    """

    @property
    def where(self) -> str:
        """The address of the store, fit for a sentence: it holds no credentials."""

    def put(self, path: str, data: bytes) -> None:
        """Write an object, replacing it if it exists: a reader finds the old one or the new one, whole."""

    def get(self, path: str) -> bytes:
        """Read an object.

        Raises:
            MissingObject: there is none.
        """

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes from `start` on; an object that is shorter is damaged.

        Raises:
            MissingObject: there is no such object.
        """

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> bool:
        """Put what `change` makes of an object in its place; False if it is gone or was replaced meanwhile.

        An object that was deleted does not come back. A folder knows of no such step: whoever puts an object
        in the very microseconds between its last look and its rename is overwritten.
        """

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""

    def list(self, prefix: str) -> Iterator[Stored]:
        """Walk over all objects below the folder `prefix`, in no particular order."""

    def delete_prefix(self, prefix: str) -> None:
        """Delete all objects below the folder `prefix`; that there are none is no error."""


class Sealer(Protocol):
    """Authenticated encryption bound to a context: what was sealed for one is refused for another.

    `open` raises `TellOperator` for bytes that were changed, or sealed with an unknown key or context.
    """

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt."""


def checked(path: str) -> str:
    """Give back a path that can't leave the store.

    Raises:
        UsageError: it could, or holds what not every store can name.
    """
    if not _PATH.fullmatch(path):
        raise UsageError(
            "A name in the store is made of letters, digits, '.', '_' and '-', and does not begin with a dot:"
            " check the run's id."
        )
    return path


def missing(where: str, path: str) -> MissingObject:
    """Say that an object is not there."""
    return MissingObject(
        f"The object {path} is missing from the store at {where}: it was deleted, or the processes don't"
        " share one store (set SEGMENT_EXPORT_STORE_URL to the same one everywhere)."
    )


def damaged(where: str, path: str) -> TellOperator:
    """Say that an object is not what was written."""
    return TellOperator(
        f"The object {path} in the store at {where} is damaged or was changed by somebody else:"
        " check the disk or bucket, and start the run again."
    )
