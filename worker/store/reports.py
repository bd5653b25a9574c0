"""Reports: who was not created, updated or unchanged, and why; written in parts while the run goes on.

A part is one object, `reports/{run}/{name}`: its lines as msgpack, compressed (zstd 1), then sealed for
its run and name. Writing a part again replaces it, so that work may be repeated.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import zstandard

from worker.exports.outcomes import ReportLine
from worker.store.interface import Objects, Sealer, damaged

_LEVEL: Final = 1
_ROOT: Final = "reports"


def write_part(
    objects: Objects, keyring: Sealer, run_id: str, name: str, lines: Sequence[ReportLine]
) -> None:
    """Write the part `name` of a run's report.

    Raises:
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is full or unfit.
        UsageError: the name has letters that not every store can name.
    """
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(lines))
    objects.put(_path(run_id, name), keyring.seal(packed, _context(run_id, name)))


def read_lines(objects: Objects, keyring: Sealer, run_id: str, names: Sequence[str]) -> Iterator[ReportLine]:
    """Stream the lines of the parts `names`, in that order; one part is in memory at a time.

    Raises:
        MissingObject: a part was deleted, or the report has expired.
        RetryLater: the store can't be reached for the moment.
        TellOperator: a part is not what was written, or no key opens it.
    """
    for name in names:
        yield from _read_part(objects, keyring, run_id, name)


def _read_part(objects: Objects, keyring: Sealer, run_id: str, name: str) -> list[ReportLine]:
    path = _path(run_id, name)
    packed = keyring.open(objects.get(path), _context(run_id, name))
    try:
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=list[ReportLine])
    except (zstandard.ZstdError, msgspec.DecodeError):
        raise damaged(objects.where, path) from None


def drop_report(objects: Objects, run_id: str) -> None:
    """Delete all parts of a run's report."""
    objects.delete_prefix(f"{_ROOT}/{run_id}")


def expire(objects: Objects, now: datetime, keep: timedelta) -> list[str]:
    """Delete the reports to which nothing was written for longer than `keep`; never half of one.

    Returns:
        The ids of their runs.
    """
    newest: dict[str, datetime] = {}
    for stored in objects.list(_ROOT):
        run_id = stored.path.split("/")[1]
        newest[run_id] = max(stored.modified, newest.get(run_id, stored.modified))
    expired = [run_id for run_id, written in newest.items() if now - written > keep]
    for run_id in expired:
        drop_report(objects, run_id)
    return expired


def _path(run_id: str, name: str) -> str:
    return f"{_ROOT}/{run_id}/{name}"


def _context(run_id: str, name: str) -> str:
    return f"report/{run_id}/{name}"
