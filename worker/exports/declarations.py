"""Definitions together, as a catalog holds them, and edits of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worker.errors import Conflicts
from worker.exports.channels import Notification
from worker.exports.definitions import Connection, Export, Named, Segment


@dataclass(frozen=True, slots=True)
class Definitions:
    """Connections, segments, exports and notifications, each by name."""

    connections: Mapping[str, Connection] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    exports: Mapping[str, Export] = field(default_factory=dict)
    notifications: Mapping[str, Notification] = field(default_factory=dict)

    def of(self, kind: type[Named]) -> Mapping[str, Named]:
        """Those of a kind."""
        found: Mapping[type[Named], Mapping[str, Named]] = {
            Connection: self.connections,
            Segment: self.segments,
            Export: self.exports,
            Notification: self.notifications,
        }
        return found[next(each for each in found if issubclass(kind, each))]


@dataclass(frozen=True, slots=True)
class Edit:
    """Definitions to remove, and then those to add or replace by their names."""

    save: Sequence[Named] = ()
    remove: Sequence[Named] = ()


def changed(before: Definitions, edit: Edit) -> Definitions:
    """The definitions after an edit."""
    connections, segments, exports = dict(before.connections), dict(before.segments), dict(before.exports)
    for kind, found in ((Connection, connections), (Segment, segments), (Export, exports)):
        for gone in (one for one in edit.remove if isinstance(one, kind)):
            found.pop(gone.name, None)
        found.update({one.name: one for one in edit.save if isinstance(one, kind)})  # type: ignore[misc]
    return Definitions(connections, segments, exports)


def refuse_dangling(before: Definitions, edit: Edit) -> None:
    """See that an export that is saved, or whose parts are removed, has all that it names.

    Raises:
        Conflicts: it would not.
    """
    after = changed(before, edit)
    for export in after.exports.values():
        touched = export in edit.save or any(gone.name in _named(export) for gone in edit.remove)
        missing = list(_missing(export, after)) if touched else []
        if missing:
            raise Conflicts(
                f"Export {export.name} names {' and '.join(missing)}, not in the catalog: "
                "add what is missing, or let the export name another."
            )


def _named(export: Export) -> set[str]:
    return {*export.segments, *([export.connection] if export.connection else [])}


def _missing(export: Export, definitions: Definitions) -> Iterator[str]:
    if export.connection is not None and export.connection not in definitions.connections:
        yield f"connection {export.connection}"
    yield from (f"segment {name}" for name in export.segments if name not in definitions.segments)
