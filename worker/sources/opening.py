"""Opens a segment's source: finds the file, makes a private copy, and translates what goes wrong."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import polars as pl
from polars import selectors

from worker.errors import StopRun, TellOperator
from worker.exports.local_paths import root_of
from worker.sources.beneath import Outside, open_beneath
from worker.sources.csv_text import take_csv
from worker.sources.locating import locate
from worker.sources.ndjson_text import take_ndjson
from worker.sources.parquet import take_parquet
from worker.sources.private import private_file

_Take = Callable[[BinaryIO, str, Path], None]

_FORMATS: Final[Mapping[str, _Take]] = {
    ".parquet": take_parquet,
    ".csv": take_csv,
    ".ndjson": take_ndjson,
    ".jsonl": take_ndjson,
}
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_ROWS_IN_A_BATCH: Final = 25_000
# a panic of the library is no Exception
_POLARS_FAULTS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


class SegmentTable(msgspec.Struct, frozen=True):
    """A segment's rows, the same ones as often as they are read while the source is open.

    `where` is the path as shown to people; `columns` are the names in the order of the file, `kinds` their
    types.
    """

    segment: str
    where: str
    columns: tuple[str, ...]
    copy: Path
    kinds: Mapping[str, pl.DataType] = {}

    def scan(self) -> pl.LazyFrame:
        """All rows and columns; what fails while it is collected is not translated: prefer `batches`."""
        rows = pl.scan_parquet(self.copy, glob=False, hive_partitioning=False, low_memory=True)
        # some writers leave the mark off that says that bytes are text
        return rows.with_columns(pl.col(pl.Binary).cast(pl.String))

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The rows in their order, these columns only, some 50,000 at a time.

        Raises:
            StopRun: the file is damaged.
        """
        with _translated(self.where):
            rows = self.scan().select(selectors.by_name(*columns))
            batches = rows.collect_batches(chunk_size=_ROWS_IN_A_BATCH, maintain_order=True)
        while True:
            with _translated(self.where):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


@contextmanager
def open_segment(
    segment_name: str, source: str, refresh_id: str | None, roots: Sequence[Path] = ()
) -> Iterator[SegmentTable]:
    """Opens the file that `source` names, as `worker.sources.locating.locate` finds it.

    The file is read once, into a private copy. Replacing it afterwards changes nothing; changing it meanwhile
    stops the run. A path that begins below one of the `roots` has to end there, whatever links do.

    Raises:
        StopRun: the file is missing, unreadable, empty, damaged, of an unknown kind, or outside of its root.
        TellOperator: there is no room for the copy.
    """
    path = locate(segment_name, source, refresh_id)
    take = _FORMATS.get(path.suffix.lower())
    if take is None:
        raise StopRun(
            f'The source of segment "{segment_name}", {path}, has an unknown ending: '
            "only .parquet, .csv, .ndjson and .jsonl files can be read."
        )
    with private_file() as copy:
        _take_copy(take, path, root_of(path, roots), copy)
        table = SegmentTable(segment_name, str(path), (), copy)
        with _translated(table.where):
            kinds = dict(table.scan().collect_schema())
        yield msgspec.structs.replace(table, columns=tuple(kinds), kinds=kinds)


def _take_copy(take: _Take, path: Path, root: Path | None, copy: Path) -> None:
    where = str(path)
    with _opened(path, root) as source:
        before = _state(source)
        if before.size == 0:
            raise StopRun(
                f"{where} is empty, it does not even name its columns: let the refresh write it again."
            )
        try:
            with _translated(where):
                take(source, where, copy)
        except StopRun:
            _check_unchanged(source, before, where)
            raise
        _check_unchanged(source, before, where)


class _State(msgspec.Struct, frozen=True):
    size: int
    modified: int


def _state(source: BinaryIO) -> _State:
    state = os.fstat(source.fileno())
    return _State(state.st_size, state.st_mtime_ns)


def _check_unchanged(source: BinaryIO, before: _State, where: str) -> None:
    if _state(source) != before:
        raise StopRun(
            f"{where} changed while it was read: write each refresh under another name and move it into "
            "place when it is complete, then run the export again."
        ) from None


def _opened(path: Path, root: Path | None) -> BinaryIO:
    """Opens a regular file; a pipe in its place must not make the worker wait."""
    try:
        descriptor = os.open(path, _READ) if root is None else open_beneath(root, path)
        kind = os.fstat(descriptor).st_mode
    except Outside:
        raise StopRun(
            f"{path} leads out of {root} by a link, and sources below it have to stay there: "
            "put the file itself there."
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise StopRun(
            f"{path} does not exist: check the segment's source and the refresh that writes it."
        ) from None
    except PermissionError:
        raise StopRun(f"{path} may not be read by the worker: give its user the right to.") from None
    except (OSError, ValueError):
        raise StopRun(f"{path} can't be opened: check the segment's source.") from None
    if stat.S_ISREG(kind):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    what = "a folder" if stat.S_ISDIR(kind) else "no regular file"
    raise StopRun(f"{path} is {what}: name a .parquet, .csv, .ndjson or .jsonl file as the segment's source.")


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Nothing of the data frame library's errors leaves: their texts may quote cells."""
    try:
        yield
    except _POLARS_FAULTS as fault:
        if getattr(fault, "errno", None) in _NO_ROOM or "os error 28" in str(fault):
            raise TellOperator(
                f"There is no room in the temporary folder for a private copy of {where}: make room, or set "
                "TMPDIR to another folder."
            ) from None
        raise StopRun(
            f"{where} can't be read: it is damaged, cut short, or not what its ending says; let the refresh "
            "write it again."
        ) from None
