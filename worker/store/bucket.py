"""A store in S3, Google Cloud Storage or Azure, or in memory, by obstore."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import ObjectStore, from_url

from worker.errors import RetryLater, SegmentExportError, TellOperator
from worker.store.interface import MissingObject, Objects, Stored, checked, damaged, missing

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import RetryConfig

# a worker that waits in here holds a slot: hand a longer outage to the run's own back-off
_PATIENCE: "Final[RetryConfig]" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_BATCH: Final = 1000


class Fate(Enum):
    """What is to be done about an error of obstore's."""

    MISSING = auto()
    SHORT = auto()
    LATER = auto()
    NO_BUCKET = auto()
    NO_CREDENTIALS = auto()
    FORBIDDEN = auto()
    UNFIT = auto()


_BY_STATUS: Final = {
    401: Fate.FORBIDDEN,
    403: Fate.FORBIDDEN,
    404: Fate.MISSING,
    408: Fate.LATER,
    409: Fate.LATER,
    416: Fate.SHORT,
    425: Fate.LATER,
    429: Fate.LATER,
}
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound"})
# where clouds hand out credentials to their own machines; asked only when the environment has none
_METADATA: Final = re.compile(r"https?://(169\.254\.|metadata\.google\.internal)")
_SHORT: Final = re.compile(r"range was invalid|Invalid range")
_TRANSPORT: Final = re.compile(r"HTTP error: (?!builder error)|non-partial response")
"""What obstore's texts say, seen with obstore 0.12; its types don't tell these apart."""


def open_bucket(url: str) -> Objects:
    """Open the store at `s3://…`, `gs://…` or `az://…`; nothing is sent yet.

    Raises:
        TellOperator: obstore can't make a store of the URL and the environment.
    """
    try:
        # no client options: giving any makes obstore forget those of the environment
        return Bucket(from_url(url, retry_config=_PATIENCE), url)
    except (BaseError, ValueError):
        raise _sentence(Fate.UNFIT, url, "", "") from None


class Bucket:
    """Objects in an object store; `where` is what sentences call it."""

    def __init__(self, store: ObjectStore, where: str) -> None:
        self._store = store
        self._where = where

    @property
    def where(self) -> str:
        """The address."""
        return self._where

    def put(self, path: str, data: bytes) -> None:
        """Upload an object; object stores show it when it is whole."""
        checked(path)
        with self._translated(path, reading=False):
            obstore.put(self._store, path, data)

    def get(self, path: str) -> bytes:
        """Download an object."""
        checked(path)
        with self._translated(path):
            return obstore.get(self._store, path).bytes().to_bytes()

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Download a part of an object."""
        checked(path)
        with self._translated(path):
            data = obstore.get_range(self._store, path, start=start, length=length).to_bytes()
        if len(data) != length:
            raise damaged(self.where, path)
        return data

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> bool:
        """Upload on the condition that the object is still the one that was downloaded."""
        checked(path)
        with suppress(MissingObject):
            return self._rewritten(path, change)
        return False

    def exists(self, path: str) -> bool:
        """Ask for the object's head."""
        checked(path)
        try:
            with self._translated(path):
                obstore.head(self._store, path)
        except MissingObject:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Stored]:
        """List page by page."""
        checked(prefix)
        with self._translated(prefix, reading=False):
            for page in obstore.list(self._store, prefix, chunk_size=_BATCH):
                for meta in page:
                    yield Stored(meta["path"], meta["last_modified"], meta["size"])

    def delete_prefix(self, prefix: str) -> None:
        """List and delete page by page."""
        checked(prefix)
        with self._translated(prefix, reading=False):
            for page in obstore.list(self._store, prefix, chunk_size=_BATCH):
                _delete(self._store, [meta["path"] for meta in page])

    def _rewritten(self, path: str, change: Callable[[bytes], bytes]) -> bool:
        with self._translated(path):
            found = obstore.get(self._store, path)
            data = change(found.bytes().to_bytes())
            known = {"e_tag": found.meta["e_tag"], "version": found.meta["version"]}
            mode = cast("UpdateVersion", {name: value for name, value in known.items() if value is not None})
            try:
                obstore.put(self._store, path, data, mode=mode)
            except PreconditionError:
                return False
        return True

    @contextmanager
    def _translated(self, path: str, *, reading: bool = True) -> Iterator[None]:
        """Let no error of obstore's out, nor its text: it quotes answers, and with them key ids."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            text = str(error).partition("Debug source")[0]
            fate = judge(text, gone=isinstance(error, FileNotFoundError))
            if fate is Fate.MISSING and not reading:
                fate = Fate.NO_BUCKET
            raise _sentence(fate, self.where, path, text) from None


def _delete(store: ObjectStore, paths: list[str]) -> None:
    try:
        obstore.delete(store, paths)
    except FileNotFoundError:
        # Google and Azure say so when somebody else was faster; the others of the page are still there
        for path in paths:
            _delete_one(store, path)


def _delete_one(store: ObjectStore, path: str) -> None:
    try:
        obstore.delete(store, path)
    except FileNotFoundError:
        return


def judge(text: str, *, gone: bool) -> Fate:
    """Tell the fate from what obstore says; `gone` is its own word for an object that is not there."""
    status = _STATUS.search(text)
    if _METADATA.search(text):
        return Fate.NO_CREDENTIALS
    if gone or status:
        return _judge_answer(text, int(status[1]) if status else 404)
    if _SHORT.search(text):
        return Fate.SHORT
    return Fate.LATER if _TRANSPORT.search(text) else Fate.UNFIT


def _judge_answer(text: str, status: int) -> Fate:
    code = _CODE.search(text)
    if code and code[1] in _NO_BUCKET:
        return Fate.NO_BUCKET
    return _BY_STATUS.get(status, Fate.LATER if status >= 500 else Fate.UNFIT)  # noqa: PLR2004


def _sentence(fate: Fate, where: str, path: str, text: str) -> SegmentExportError:
    match fate:
        case Fate.MISSING:
            return missing(where, path)
        case Fate.SHORT:
            return damaged(where, path)
        case Fate.LATER:
            return RetryLater(f"The store at {where} {_answer(text)}: it is tried again.")
        case _:
            return TellOperator(f"The store at {where} {_COMPLAINTS[fate].format(answer=_answer(text))}.")


def _answer(text: str) -> str:
    """Quote of an answer only what can't be a secret: its status and its code."""
    status, code = _STATUS.search(text), _CODE.search(text)
    if not status:
        return "can't be reached"
    return f"answers {status[1]} {code[1]}" if code else f"answers {status[1]}"


_COMPLAINTS: Final = {
    Fate.NO_BUCKET: "does not exist: make the bucket or container, or correct SEGMENT_EXPORT_STORE_URL",
    Fate.NO_CREDENTIALS: (
        "can't be opened without credentials: set those of its provider in the environment"
        " (AWS_…, GOOGLE_… or AZURE_…), or give this machine a role that may use it"
    ),
    Fate.FORBIDDEN: (
        "{answer}: give the credentials in the environment the right to read, write, list and delete there"
    ),
    Fate.UNFIT: (
        "can't be used as it is set up: check SEGMENT_EXPORT_STORE_URL and the settings of its provider"
        " in the environment (region, endpoint, account)"
    ),
}
