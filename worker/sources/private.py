"""A private copy of a source: both passes of planning read the same bytes, whatever becomes of the file.

The data frame library maps Parquet into memory; had somebody truncated that file meanwhile, the process would
die of a bus error. And a second pass that sees other rows than the first one would mix up profiles.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from worker.errors import TellOperator

_OWN_DESCRIPTORS: Final = Path("/proc/self/fd")


@contextmanager
def private_file() -> Iterator[Path]:
    """A path to an empty file that nobody else can name, gone when the context ends.

    Where the system lists a process's own descriptors as paths (Linux) the file has no name, so it is gone
    even after a crash; elsewhere it is a file of mode 0600 in the temporary folder.

    Raises:
        TellOperator: the temporary folder can't be written.
    """
    with ExitStack() as stack:
        yield _create(stack)


def _create(stack: ExitStack) -> Path:
    try:
        if _OWN_DESCRIPTORS.is_dir():
            return _OWN_DESCRIPTORS / str(stack.enter_context(tempfile.TemporaryFile()).fileno())
        return Path(stack.enter_context(tempfile.NamedTemporaryFile(prefix="segment-")).name)
    except OSError:
        raise TellOperator(
            "No private copy of a source can be made, for the temporary folder can't be written: "
            "make room in it, or set TMPDIR to another one."
        ) from None
