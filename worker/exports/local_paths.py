"""Sources as paths, and whether a path stays below a folder by its words alone."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote


def local_path(source: str) -> Path:
    """The path that a source names, of a `file://` URL the one that it encodes; placeholders stay."""
    if source.startswith("file://"):
        return Path(unquote(source.removeprefix("file://").removeprefix("localhost")))
    return Path(source)


def root_of(path: Path, roots: Iterable[Path]) -> Path | None:
    """The first of these folders that an absolute path is below, if it has no `..` that could lead out."""
    if not path.is_absolute() or ".." in path.parts:
        return None
    return next((root for root in roots if path != root and path.is_relative_to(root)), None)
