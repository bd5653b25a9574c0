"""Open a file that must not lie elsewhere: what begins below a folder has to end there too."""

import os
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Outside(OSError):
    """The path leads out of its folder by a link."""


def open_beneath(root: Path, path: Path) -> int:
    """Open a file below a folder; links count as long as they end below it. Gives its descriptor.

    Where the links lead is found out first; then each step of that is opened from the one before, and none
    may be a link. So nobody can put one there in between.

    Raises:
        Outside: the path ends elsewhere.
        OSError: as `open` does, and for a link that was put there just now.
    """
    real_root, real = root.resolve(strict=True), path.resolve(strict=True)
    if real == real_root or not real.is_relative_to(real_root):
        raise Outside
    *folders, name = real.relative_to(real_root).parts
    folder = os.open(real_root, _FOLDER)
    try:
        for step in folders:
            inner = os.open(step, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
