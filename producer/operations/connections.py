"""Connections: who may use them, the consent given, their keys, and their end."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from producer.access import Role
from producer.desk import Desk, operation
from producer.findings import Finding
from producer.operations.changing import (
    change,
    declared,
    found,
    listed,
    merged,
    provenance,
    refuse_existing,
    stop_runs,
    used_by,
)
from producer.operations.documents import (
    ConnectionSummary,
    ConnectionView,
    Link,
    Made,
    Page,
    Paused,
    Removed,
    Standing,
    page,
)
from worker.errors import Conflicts, NotThere, UsageError
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Connection, Export, public
from worker.state.audiences import Audiences


@operation
def list_connections(
    desk: Desk, *, after: str = "", limit: int | None = None
) -> Page[ConnectionView] | Page[ConnectionSummary]:
    """All connections for administrators, a summary of those that are shared for everybody else."""
    connections = desk.producer.catalog.connections()
    if desk.caller.role is not Role.ADMINISTRATOR:
        shared = [each for each in connections if each.access == "contributors"]
        there = page(shared, lambda each: each.name, after=after, limit=limit)
        return Page([_summary(each) for each in there.items], there.next)
    shown = page(connections, lambda each: each.name, after=after, limit=limit)
    exports, made = desk.producer.catalog.exports(), provenance(desk)
    return Page([_view(desk, each, exports, made) for each in shown.items], shown.next)


@operation
def show_connection(desk: Desk, name: str) -> ConnectionView | ConnectionSummary:
    """One connection, as in the list."""
    if desk.caller.role is Role.ADMINISTRATOR:
        return _shown(desk, name)
    there = {each.name: each for each in desk.producer.catalog.connections()}.get(name)
    if there is None or there.access != "contributors":
        raise NotThere("No connection of that name is shared with you: see the list of those that are.")
    return _summary(there)


@operation
def add_connection(desk: Desk, name: str, values: Mapping[str, Any]) -> ConnectionView:
    """Adds a connection of the values of a configuration file; a literal key is sealed at once."""

    def decide(before: Definitions) -> Edit:
        refuse_existing(before, Connection, name)
        return Edit(save=[declared(desk, Connection, name, values, before)])

    change(desk, "add_connection", decide)
    desk.producer.slots.admit(name)
    return _shown(desk, name)


@operation
def edit_connection(desk: Desk, name: str, changes: Mapping[str, Any]) -> ConnectionView:
    """Replaces the values that are named; null takes one back to its default."""
    return _edited(desk, "edit_connection", name, changes)


@operation
def share_connection(
    desk: Desk, name: str, access: Literal["administrators", "contributors"]
) -> ConnectionView:
    """Says who may use a connection."""
    return _edited(desk, "share_connection", name, {"access": access})


@operation
def record_consent(desk: Desk, name: str, consent: Mapping[str, Any]) -> ConnectionView:
    """Records who agreed to which words, and when."""
    return _edited(desk, "record_consent", name, {"consent": consent})


@operation
def rotate_key(desk: Desk, name: str, api_key: str) -> ConnectionView:
    """Gives a connection another API key, sealed at once, or another reference."""
    # the data centre was that of a token: a key ends in its own
    return _edited(desk, "rotate_key", name, {"api_key": api_key, "data_centre": None})


@operation
def authorize_connection(desk: Desk, name: str, values: Mapping[str, Any] | None = None) -> Link:
    """Gives a link to Mailchimp: whoever agrees there lets the connection use their account.

    With the values of a configuration file, but for the key, the connection is added when they have agreed.
    """
    from producer.authorizing import NO_KEY_YET, begin  # noqa: PLC0415 (it loads what speaks HTTP)

    known = desk.producer.catalog.everything()
    if values is None:
        connection = found(known, Connection, name)
    else:
        refuse_existing(known, Connection, name)
        if "api_key" in values:
            raise UsageError("Leave api_key out: whoever agrees at Mailchimp gives the connection its token.")
        connection = declared(desk, Connection, name, {**values, "api_key": NO_KEY_YET}, known)
    return Link(name=name, link=begin(desk.producer, desk.caller.name, connection))


@operation
def check_connection(desk: Desk, name: str) -> Iterator[Finding]:
    """Tries a connection and the exports over it at Mailchimp, a finding at a time."""
    from producer.checking import inspect  # noqa: PLC0415 (it loads what speaks HTTP)

    return inspect(desk.producer, desk.producer.catalog.connection(name))


@operation
def remove_connection(
    desk: Desk, name: str, *, exports: Literal["refuse", "detach", "remove"] = "refuse"
) -> Removed:
    """Removes a connection, stops its runs, and forgets what was known of its audiences.

    Calls in flight end, none begins after this. The exports over it are detached or removed with it.

    Raises:
        Conflicts: exports use it, and nobody said what is to become of them.
    """

    def decide(before: Definitions) -> Edit:
        connection = found(before, Connection, name)
        users = used_by(before, connection)
        if users and exports == "refuse":
            raise Conflicts(
                f"Connection {name} is used by {listed(users)}: "
                "say whether to detach or to remove them with it."
            )
        if exports == "remove":
            return Edit(remove=[connection, *users])
        return Edit(
            save=[each.model_copy(update={"connection": None}) for each in users], remove=[connection]
        )

    edit = change(desk, "remove_connection", decide)
    detached = [each.name for each in edit.save]
    removed = [each.name for each in edit.remove if isinstance(each, Export)]
    stopped = stop_runs(
        desk,
        f"Canceled, as connection {name} was removed.",
        exports=[*detached, *removed],
        connection=name,
    )
    desk.producer.slots.drop(name)
    _forget(desk, name)
    return Removed(name=name, detached=detached, removed=removed, canceled=stopped)


@operation
def pause_connection(desk: Desk, name: str) -> Paused:
    """Lets no call begin on a connection until it is resumed; its runs wait."""
    connection, slots = desk.producer.catalog.connection(name), desk.producer.slots
    was_paused = slots.state(name).paused
    slots.pause(name)
    if not was_paused:
        desk.record("pause_connection", f"connection {name}")
    return Paused(name=name, changed=not was_paused, standing=_standing(desk, connection))


@operation
def resume_connection(desk: Desk, name: str) -> Paused:
    """Lets calls begin again."""
    connection, slots = desk.producer.catalog.connection(name), desk.producer.slots
    was_paused = slots.state(name).paused
    desk.producer.ring(slots.resume(name))
    if was_paused:
        desk.record("resume_connection", f"connection {name}")
    return Paused(name=name, changed=was_paused, standing=_standing(desk, connection))


def _edited(desk: Desk, what: str, name: str, changes: Mapping[str, Any]) -> ConnectionView:
    def decide(before: Definitions) -> Edit:
        connection = found(before, Connection, name)
        return Edit(save=[declared(desk, Connection, name, merged(connection, changes), before)])

    change(desk, what, decide)
    return _shown(desk, name)


def _forget(desk: Desk, name: str) -> None:
    """Deletes what was remembered of the connection's audiences; hashes and statuses, never addresses."""
    from worker.store.audiences import forget_audiences  # noqa: PLC0415 (slow, and only an end needs it)

    Audiences(desk.producer.client).forget_all(name)
    forget_audiences(desk.producer.objects, name)


def _summary(connection: Connection) -> ConnectionSummary:
    return ConnectionSummary(name=connection.name, display_name=connection.display_name, type=connection.type)


def _shown(desk: Desk, name: str) -> ConnectionView:
    connection = desk.producer.catalog.connection(name)
    return _view(desk, connection, desk.producer.catalog.exports(), provenance(desk))


def _view(
    desk: Desk, connection: Connection, exports: list[Export], made: Mapping[str, Made]
) -> ConnectionView:
    return ConnectionView.model_validate(
        {
            **public(connection),
            "made": made.get(f"connection {connection.name}"),
            "used_by": [each.name for each in exports if each.connection == connection.name],
            "standing": _standing(desk, connection),
        }
    )


def _standing(desk: Desk, connection: Connection) -> Standing:
    state = desk.producer.slots.state(connection.name)
    word: Literal["ready", "cooling", "paused"] = (
        "paused" if state.paused else "cooling" if state.cooling_ms else "ready"
    )
    return Standing(state=word, open=state.open, limit=state.limit or connection.max_connections)
