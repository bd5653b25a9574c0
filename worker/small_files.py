"""Read a small file that holds a secret, and nothing that only looks like a file."""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, limit: int) -> tuple[bytes, int]:
    """Up to `limit` bytes of a regular file, and its permission bits.

    Raises:
        OSError: as `open` does; EINVAL for a folder, pipe or device.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(limit), stat.S_IMODE(mode)


def _without_waiting(path: str, flags: int) -> int:
    # opening a named pipe that nobody writes to would wait for ever
    return os.open(path, flags | os.O_NONBLOCK)
