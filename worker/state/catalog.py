"""What was applied: connections, segments, exports and notifications, by name, in one Redis hash each."""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar, cast

import redis
from pydantic import ValidationError

from worker.errors import NotThere, TellOperator, UsageError
from worker.exports import channels
from worker.exports.channels import Notification
from worker.exports.declarations import Definitions, Edit, refuse_dangling
from worker.exports.definitions import Connection, Export, Named, Segment, why_inactive
from worker.exports.wording import close_matches
from worker.state import keys

_KEYS: Mapping[type[Named], str] = {
    Connection: keys.CATALOG_CONNECTIONS,
    Segment: keys.CATALOG_SEGMENTS,
    Export: keys.CATALOG_EXPORTS,
    Notification: keys.CATALOG_NOTIFICATIONS,
}

_Definition = TypeVar("_Definition", bound=Named)


Decide: TypeAlias = Callable[[Definitions], Edit]
Beside: TypeAlias = Callable[["redis.client.Pipeline", Definitions, Edit], None]


class Catalog:
    """The configuration in Redis; every write is one transaction, every read one moment.

    Defaults are not written: an older version reads what a newer one stored, as long as nothing new is used.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client

    def save(
        self,
        connections: Iterable[Connection] = (),
        segments: Iterable[Segment] = (),
        exports: Iterable[Export] = (),
        notifications: Iterable[Notification] = (),
    ) -> None:
        """Add or replace by name, all or nothing; what is not named stays."""
        with self._redis.pipeline(transaction=True) as pipeline:
            _put(pipeline, keys.CATALOG_CONNECTIONS, connections)
            _put(pipeline, keys.CATALOG_SEGMENTS, segments)
            _put(pipeline, keys.CATALOG_EXPORTS, exports)
            _put(pipeline, keys.CATALOG_NOTIFICATIONS, notifications)
            pipeline.execute()

    def edit(self, decide: Decide, beside: Beside | None = None) -> tuple[Definitions, Edit]:
        """Change what `decide` says of the catalog as it is; gives the catalog before, and the edit.

        If somebody else changes the catalog in between, `decide` is asked again. What `beside` adds to the
        transaction happens if and only if the change does.

        Raises:
            Conflicts: an export would name what is not there.
        """
        with self._redis.pipeline(transaction=True) as pipeline:
            while True:
                try:
                    return self._edit(pipeline, decide, beside)
                except redis.WatchError:
                    continue

    def _edit(
        self, pipeline: "redis.client.Pipeline", decide: Decide, beside: Beside | None
    ) -> tuple[Definitions, Edit]:
        pipeline.watch(*_KEYS.values())  # type: ignore[no-untyped-call]
        before = self.everything()
        edit = decide(before)
        refuse_dangling(before, edit)
        pipeline.multi()
        for kind, key in _KEYS.items():
            if gone := [one.name for one in edit.remove if isinstance(one, kind)]:
                pipeline.hdel(key, *gone)
            _put(pipeline, key, [one for one in edit.save if isinstance(one, kind)])
        if beside is not None:
            beside(pipeline, before, edit)
        pipeline.execute()
        return before, edit

    def everything(self) -> Definitions:
        """All definitions as they were at one moment, sorted by name.

        Those that this version can't read are left out, so that they can be applied anew; every other reader
        here raises TellOperator for them.
        """
        with self._redis.pipeline(transaction=True) as pipeline:
            for key in _KEYS.values():
                pipeline.hgetall(key)
            connections, segments, exports, notifications = pipeline.execute()
        return Definitions(
            _readable(Connection, connections),
            _readable(Segment, segments),
            _readable(Export, exports),
            _readable(Notification, notifications),
        )

    def connections(self) -> list[Connection]:
        """All connections, sorted by name."""
        return list(self._all(Connection, keys.CATALOG_CONNECTIONS).values())

    def segments(self) -> list[Segment]:
        """All segments, sorted by name."""
        return list(self._all(Segment, keys.CATALOG_SEGMENTS).values())

    def exports(self) -> list[Export]:
        """All exports, sorted by name."""
        return list(self._all(Export, keys.CATALOG_EXPORTS).values())

    def notifications(self) -> list[Notification]:
        """All notification channels, sorted by name."""
        return list(self._all(Notification, keys.CATALOG_NOTIFICATIONS).values())

    def connection(self, name: str) -> Connection:
        """A connection.

        Raises:
            NotThere: there is none of that name; close matches are named.
        """
        return self._one(Connection, keys.CATALOG_CONNECTIONS, name)

    def segment(self, name: str) -> Segment:
        """A segment; raises as `connection`."""
        return self._one(Segment, keys.CATALOG_SEGMENTS, name)

    def export(self, name: str) -> Export:
        """An export; raises as `connection`."""
        return self._one(Export, keys.CATALOG_EXPORTS, name)

    def notification(self, name: str) -> Notification:
        """A notification channel; raises as `connection`."""
        return self._one(Notification, keys.CATALOG_NOTIFICATIONS, name)

    def export_bundle(self, name: str) -> tuple[Export, Connection, list[Segment]]:
        """An export with its connection and its segments in its order, as they were at one moment.

        Raises:
            UsageError: there is no such export, it is detached or disabled, or what it refers to is gone.
        """
        while (bundle := self._bundle(self.export(name))) is None:
            pass
        return bundle

    def exports_for(self, segments: set[str] | None) -> list[Export]:
        """The exports that run on a refresh and take any of the segments, or all such exports for None.

        Detached and disabled ones don't.
        """
        return [
            export
            for export in self.exports()
            if export.run == "on_refresh"
            and not why_inactive(export)
            and (segments is None or segments.intersection(export.segments))
        ]

    def _bundle(self, export: Export) -> tuple[Export, Connection, list[Segment]] | None:
        """The export's parts; None when it was applied anew since it was read, and its parts perhaps too."""
        if export.connection is None or not export.enabled:
            raise UsageError(why_inactive(export))
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(keys.CATALOG_EXPORTS, export.name)
            pipeline.hget(keys.CATALOG_CONNECTIONS, export.connection)
            pipeline.hmget(keys.CATALOG_SEGMENTS, list(export.segments))
            now, connection, segments = pipeline.execute()
        if now is None or _read(Export, export.name, now) != export:
            return None
        return export, *_parts(export, export.connection, connection, segments)

    def _all(self, model: type[_Definition], key: str) -> dict[str, _Definition]:
        return _read_all(model, cast("dict[str, str]", self._redis.hgetall(key)))

    def _one(self, model: type[_Definition], key: str, name: str) -> _Definition:
        stored = cast("str | None", self._redis.hget(key, name))
        if stored is None:
            raise NotThere(_unknown(model, name, cast("list[str]", self._redis.hkeys(key))))
        return _read(model, name, stored)


def _put(pipeline: "redis.client.Pipeline", key: str, definitions: Iterable[Named]) -> None:
    for definition in definitions:
        pipeline.hset(key, definition.name, _stored(definition))


def _stored(definition: Named) -> str:
    return definition.model_dump_json(exclude_defaults=True)


def _kind(model: type[Named]) -> str:
    return model.__name__.lower()


def _unknown(model: type[Named], name: str, names: list[str]) -> str:
    kind = _kind(model)
    remedy = (
        f"; the {kind}s there are: {', '.join(sorted(names)[:10])}." if names else "; apply a file first."
    )
    return f"There is no {kind} {name!r:.80}{close_matches(name, names) or remedy}"


def _read_all(model: type[_Definition], rows: Mapping[str, str]) -> dict[str, _Definition]:
    return {name: _read(model, name, stored) for name, stored in sorted(rows.items())}


def _readable(model: type[_Definition], rows: Mapping[str, str]) -> dict[str, _Definition]:
    found = {}
    for name, stored in sorted(rows.items()):
        with contextlib.suppress(TellOperator):
            found[name] = _read(model, name, stored)
    return found


def _read(model: type[_Definition], name: str, stored: str) -> _Definition:
    try:
        return _form(model, stored).model_validate_json(stored, strict=True)
    except (ValidationError, json.JSONDecodeError):
        raise TellOperator(
            f"The {_kind(model)} {name} was stored in a form that this version can't read; "
            "run the version that stored it, or apply it again with this one."
        ) from None


def _form(model: type[_Definition], stored: str) -> type[_Definition]:
    """The definition itself, which for notifications depends on their type."""
    if model is not Notification:
        return model
    return cast("type[_Definition]", channels.form(json.loads(stored).get("type")))


def _parts(
    export: Export, name: str, connection: str | None, segments: list[str | None]
) -> tuple[Connection, list[Segment]]:
    gone = [
        f"segment {name}" for name, stored in zip(export.segments, segments, strict=True) if stored is None
    ]
    if connection is None:
        gone.append(f"connection {name}")
    if connection is None or gone:
        raise UsageError(
            f"Export {export.name} refers to {' and '.join(gone)}, not in the catalog any more; apply again."
        )
    found = zip(export.segments, segments, strict=True)
    return (
        _read(Connection, name, connection),
        [_read(Segment, name, stored) for name, stored in found if stored is not None],
    )
