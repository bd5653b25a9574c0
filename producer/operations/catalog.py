"""A configuration file, applied as a whole."""

from pathlib import Path

from producer.applying import Applied
from producer.desk import Desk, operation


@operation
def apply_catalog(desk: Desk, file: Path, content: bytes | None = None) -> Applied:
    """Saves what a file declares, or nothing if anything is wrong with it.

    `content` is what stands in it, for a caller who is not at this machine; `file` is its name for messages.
    """
    raise NotImplementedError
