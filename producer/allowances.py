"""What callers of the HTTP API may name: references and sources that the operator allows, and no others.

The command line is the operator's own: whoever sits there could read all of it anyway.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from producer.access import Forbidden
from worker.exports.channels import Notification
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Connection, Segment
from worker.exports.local_paths import local_path, root_of
from worker.settings import Settings

# what the installation itself is secured with, whatever is allowed besides
_OURS: Final = ("SEGMENT_EXPORT_", "REDIS_", "AWS_", "GOOGLE_", "AZURE_")


def check(definitions: Definitions, settings: Settings) -> list[str]:
    """What of these definitions may not be said over HTTP, a sentence for each; nothing, if all may."""
    return [
        *(told for each in definitions.connections.values() for told in _of_connection(each, settings)),
        *(told for each in definitions.segments.values() for told in _of_segment(each, settings)),
    ]


def refuse_unallowed(before: Definitions, edit: Edit, settings: Settings) -> None:
    """Refuse an edit that names something new which is not allowed; what stood there already may stay.

    Raises:
        Forbidden: it does.
    """
    if any(isinstance(one, Notification) and before.notifications.get(one.name) != one for one in edit.save):
        raise Forbidden(
            "Notifications can't be declared over HTTP: let the operator apply them where they are run."
        )
    named = Definitions(
        connections={
            one.name: one
            for one in edit.save
            if isinstance(one, Connection) and one.api_key != _key(before.connections.get(one.name))
        },
        segments={
            one.name: one
            for one in edit.save
            if isinstance(one, Segment) and one.source != _source(before.segments.get(one.name))
        },
    )
    for sentence in check(named, settings):
        raise Forbidden(sentence)


def _key(connection: Connection | None) -> str:
    return connection.api_key if connection else ""


def _source(segment: Segment | None) -> str:
    return segment.source if segment else ""


def _of_connection(connection: Connection, settings: Settings) -> Iterator[str]:
    kind, _, place = connection.api_key.partition(":")
    if kind == "env" and not _may_read(place, settings.allowed_env):
        yield (
            f"The API key of connection {connection.name} names a variable that is not allowed over HTTP: "
            "ask the operator to add it to SEGMENT_EXPORT_ALLOWED_ENV, or give the key itself."
        )
    if kind == "file" and not _stays(Path(place), settings.allowed_secrets):
        yield (
            f"The API key of connection {connection.name} names a file that is not allowed over HTTP: "
            "name one below a folder of SEGMENT_EXPORT_ALLOWED_SECRETS, or give the key itself."
        )


def _of_segment(segment: Segment, settings: Settings) -> Iterator[str]:
    # the name is filled in by workers, and its letters can't lead anywhere
    if not _stays(local_path(segment.source), settings.source_roots):
        yield (
            f"The source of segment {segment.name} is a file that is not allowed over HTTP: "
            "name one below a folder of SEGMENT_EXPORT_SOURCE_ROOTS, by its absolute path and without `..`."
        )


def _may_read(variable: str, allowed: Sequence[str]) -> bool:
    if variable.startswith(_OURS):
        return False
    return any(variable.startswith(name[:-1]) if name.endswith("*") else variable == name for name in allowed)


def _stays(path: Path, roots: Sequence[Path]) -> bool:
    """Whether a path is below one of the folders, and no link that is there already leads it out.

    What is made later is looked at by whoever opens it.
    """
    root = root_of(path, roots)
    if root is None or "\0" in str(path):
        return False
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False
