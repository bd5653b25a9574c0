"""Where a segment lies: a source of the configuration, its placeholders filled in."""

import glob
import re
import stat
from pathlib import Path
from typing import Final

from worker.errors import StopRun
from worker.exports.local_paths import local_path

_REFRESH: Final = "{refresh_id}"
_SEGMENT: Final = "{segment}"
_NAME: Final = r"[A-Za-z0-9._:+-]+"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def locate(segment_name: str, source: str, refresh_id: str | None) -> Path:
    """The path of a segment's file, which need not exist.

    `{segment}` and `{refresh_id}` in `source` are filled in. Without a refresh (a run on demand) the newest
    one is taken: of the files that match with any refresh id, the one with the latest modification time;
    of several with the same time, the one whose path sorts last.

    Raises:
        StopRun: a name could lead out of its folder, the source is not a local path, or no refresh is found.
    """
    pattern = str(_local(source, segment_name))
    if _SEGMENT in pattern:
        pattern = pattern.replace(_SEGMENT, _harmless(segment_name, "segment name"))
    if _REFRESH not in pattern:
        return Path(pattern)
    if refresh_id is None:
        return _newest(pattern, segment_name)
    return Path(pattern.replace(_REFRESH, _harmless(refresh_id, "refresh id")))


def _local(source: str, segment_name: str) -> Path:
    if not source.startswith("file://") and _URL.match(source):
        raise StopRun(
            f'The source of segment "{segment_name}" is a URL, and only files on local disk can be read: '
            "give the path of a .parquet, .csv, .ndjson or .jsonl file."
        )
    return local_path(source)


def _is_harmless(name: str) -> bool:
    return re.fullmatch(_NAME, name) is not None and ".." not in name and name != "."


def _harmless(name: str, what: str) -> str:
    if not _is_harmless(name):
        raise StopRun(
            f"The {what} {name[:80]!r} can't stand in a path: use only letters, digits and . _ : + - "
            "without two dots in a row."
        )
    return name


def _newest(pattern: str, segment_name: str) -> Path:
    fixed = pattern.split(_REFRESH)
    wanted = re.compile(
        re.escape(fixed[0])
        + f"(?P<refresh>{_NAME})"
        + "(?P=refresh)".join(re.escape(part) for part in fixed[1:])
    )
    found = [
        (modified, path)
        for path in glob.iglob("*".join(glob.escape(part) for part in fixed))  # noqa: PTH207 (a path, no folder)
        if (match := wanted.fullmatch(path))
        and _is_harmless(match["refresh"])
        and (modified := _modified(Path(path))) is not None
    ]
    if not found:
        raise StopRun(
            f'No refresh of segment "{segment_name}" was found: no file matches {"*".join(fixed)}; '
            "wait for the first refresh, or correct the segment's source."
        )
    return Path(max(found)[1])


def _modified(path: Path) -> int | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns if stat.S_ISREG(state.st_mode) else None
