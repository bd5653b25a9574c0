"""How operations change the catalog: by check and set, and who did it is written in the same transaction."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from producer.access import Forbidden, Role, may_use
from producer.allowances import refuse_unallowed
from producer.desk import Desk
from producer.operations.documents import Made
from worker import credentials
from worker.errors import Conflicts, NotThere, UsageError
from worker.exports.channels import Notification
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Connection, Export, Named, Segment, public
from worker.exports.wording import close_matches
from worker.state import keys
from worker.state.client import read_hash

if TYPE_CHECKING:
    import redis

N = TypeVar("N", bound=Named)

# who agreed is a person: that it changed is told, and not to whom
_OF_CONSENT: Final = ("agreed_on",)


def change(desk: Desk, what: str, decide: Callable[[Definitions], Edit]) -> Edit:
    """Changes the catalog as `Catalog.edit` does, and writes who did it beside it."""
    _, edit = desk.producer.catalog.edit(decide, recorder(desk, what))
    return edit


def recorder(desk: Desk, what: str) -> Callable[["redis.client.Pipeline", Definitions, Edit], None]:
    """What an edit writes beside itself: audit entries, when things were made, what is to be forgotten."""
    made = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "by": desk.caller.name})

    def record(pipeline: "redis.client.Pipeline", before: Definitions, edit: Edit) -> None:
        if not desk.caller.here:
            refuse_unallowed(before, edit, desk.producer.settings)
        for one in edit.save:
            old = before.of(type(one)).get(one.name)
            if old is None:
                pipeline.hset(keys.MADE, title(one).replace(" ", ":"), made)
            if old != one:
                desk.record(what, title(one), before=shown(old, one), after=shown(one, old), within=pipeline)
        for one in edit.remove:
            pipeline.hdel(keys.MADE, title(one).replace(" ", ":"))
            desk.record(what, title(one), before=shown(one, None), within=pipeline)
            if isinstance(one, Export):
                pipeline.sadd(keys.REMOVING, one.name)

    return record


def title(one: Named) -> str:
    """The kind and name of a definition: `export weekly`."""
    kind = Notification if isinstance(one, Notification) else type(one)
    return f"{kind.__name__.lower()} {one.name}"


def shown(one: Named | None, other: Named | None) -> dict[str, Any] | None:
    """A definition as the audit log keeps it: what differs from the other one, or all of it but defaults."""
    if one is None:
        return None
    differs = one.model_dump(mode="json", exclude_defaults=other is None)
    if other is not None:
        was = other.model_dump(mode="json")
        differs = {key: value for key, value in differs.items() if value != was[key]}
    values = differs
    if isinstance(one, Connection):
        values = public(one)
    elif isinstance(one, Notification):
        # addresses, and what a channel is reached and signed with
        hidden = {key for key, field in type(one).model_fields.items() if not field.repr}
        values = differs | dict.fromkeys(hidden, "(not shown)")
    told = {key: values[key] for key in differs if key != "name"}
    if isinstance(told.get("consent"), dict):
        told["consent"] = {key: told["consent"][key] for key in _OF_CONSENT}
    return told


def provenance(desk: Desk) -> Mapping[str, Made]:
    """When definitions were made, and by whom, by their titles."""
    rows = read_hash(desk.producer.client, keys.MADE)
    return {key.replace(":", " "): Made.model_validate_json(row) for key, row in rows.items()}


def found(definitions: Definitions, kind: type[N], name: str) -> N:
    """A definition of the catalog.

    Raises:
        NotThere: there is none of that name; close matches are named.
    """
    there = cast("Mapping[str, N]", definitions.of(kind))
    if name in there:
        return there[name]
    word = kind.__name__.lower()
    raise NotThere(f"There is no {word} {name!r:.80}{close_matches(name, there) or '; correct the name.'}")


def declared(desk: Desk, kind: type[N], name: str, values: Mapping[str, Any], definitions: Definitions) -> N:
    """A definition made of JSON values, checked as one of a file is.

    Raises:
        CatalogRefused: something is wrong with it.
    """
    from producer.declaring import declare_one  # noqa: PLC0415 (it loads YAML, and looking needs none)

    return declare_one(kind, name, values, known=definitions, seal=sealer(desk))


def sealer(desk: Desk) -> Callable[[str, str], str]:
    """What turns a literal API key of a connection into its `encrypted:` reference."""

    def seal(connection: str, key: str) -> str:
        return credentials.seal(key, connection, desk.producer.keyring)

    return seal


def merged(one: Named, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a definition with changes; null takes one back to its default."""
    if not isinstance(changes, Mapping):
        raise UsageError("Changes are a mapping of keys and values: write it as one.")
    values = one.model_dump(mode="json", exclude_defaults=True) | dict(changes)
    required = {key for key, field in type(one).model_fields.items() if field.is_required()}
    kept = {key: value for key, value in values.items() if value is not None or key in required}
    if "name" not in changes:
        del kept["name"]
    return kept


def refuse_existing(definitions: Definitions, kind: type[Named], name: str) -> None:
    """Refuses to add what is there.

    Raises:
        Conflicts: there is one of that name.
    """
    if name in definitions.of(kind):
        word = kind.__name__.lower()
        raise Conflicts(f"There is a {word} {name} already: edit it, or choose another name.")


def check_touch(desk: Desk, definitions: Definitions, exports: Iterable[Export]) -> None:
    """Lets a caller pass who may touch all of these exports.

    Raises:
        Forbidden: one of them goes over a connection that is not shared with contributors.
    """
    for export in exports:
        if not may_touch(desk, definitions, export):
            raise Forbidden(
                f"Export {export.name} goes over connection {export.connection}, which is not shared with "
                "contributors: ask an administrator to share it."
            )


def may_touch(desk: Desk, definitions: Definitions, export: Export) -> bool:
    """Whether the caller may touch an export: over a connection that may be used, or detached."""
    if export.connection is None:
        return desk.caller.role.covers(Role.CONTRIBUTOR)
    return may_use(desk.caller, definitions.connections.get(export.connection))


def stop_runs(
    desk: Desk, sentence: str, *, exports: Iterable[str] = (), connection: str | None = None
) -> list[str]:
    """Stops the runs of exports, and those over a connection: no call of theirs begins after this."""
    runs, named, stopped = desk.producer.runs, set(exports), list[str]()
    for run_id in runs.active():
        facts = runs.facts(run_id)
        if facts and (facts.export in named or (connection and facts.connection == connection)):
            done, bells = runs.stop(run_id, status="canceled", sentence=sentence)
            desk.producer.ring(bells)
            stopped += [run_id] if done else []
    return stopped


def used_by(definitions: Definitions, one: Connection | Segment) -> list[Export]:
    """The exports that name a connection or a segment."""
    exports = definitions.exports.values()
    if isinstance(one, Connection):
        return [export for export in exports if export.connection == one.name]
    return [export for export in exports if one.name in export.segments]


def listed(exports: Iterable[Export], most: int = 10) -> str:
    """The names of exports for a sentence."""
    names = [export.name for export in exports]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'export' if len(names) == 1 else 'exports'} {', '.join(names[:most])}{more}"
