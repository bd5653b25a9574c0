"""Connections: who may use them, the consent given, their keys, and their end."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from producer.access import may_use
from producer.desk import Desk, operation
from producer.findings import Finding
from producer.operations.documents import ConnectionSummary, ConnectionView, Page, Paused, Removed


@operation
def list_connections(
    desk: Desk, *, after: str = "", limit: int | None = None
) -> Page[ConnectionView] | Page[ConnectionSummary]:
    """All connections for administrators, a summary of those that are shared for everybody else."""
    raise NotImplementedError


@operation
def show_connection(desk: Desk, name: str) -> ConnectionView | ConnectionSummary:
    """One connection, as in the list."""
    raise NotImplementedError


@operation
def add_connection(desk: Desk, name: str, values: Mapping[str, Any]) -> ConnectionView:
    """Adds a connection of the values of a configuration file; a literal key is sealed at once."""
    raise NotImplementedError


@operation
def edit_connection(desk: Desk, name: str, changes: Mapping[str, Any]) -> ConnectionView:
    """Replaces the values that are named; null takes one back to its default."""
    raise NotImplementedError


@operation
def share_connection(
    desk: Desk, name: str, access: Literal["administrators", "contributors"]
) -> ConnectionView:
    """Says who may use a connection."""
    raise NotImplementedError


@operation
def record_consent(desk: Desk, name: str, consent: Mapping[str, Any]) -> ConnectionView:
    """Records who agreed to which words, and when."""
    raise NotImplementedError


@operation
def rotate_key(desk: Desk, name: str, key: str) -> ConnectionView:
    """Gives a connection another API key, sealed at once, or another reference."""
    raise NotImplementedError


@operation
def check_connection(desk: Desk, name: str) -> Iterator[Finding]:
    """Tries a connection and the exports over it at Mailchimp, a finding at a time."""
    raise NotImplementedError


@operation
def remove_connection(
    desk: Desk, name: str, *, exports: Literal["refuse", "detach", "remove"] = "refuse"
) -> Removed:
    """Removes a connection, stops its runs, and forgets what was known of its audiences."""
    raise NotImplementedError


@operation
def pause_connection(desk: Desk, name: str) -> Paused:
    """Lets no call begin on a connection until it is resumed; its runs wait."""
    raise NotImplementedError


@operation
def resume_connection(desk: Desk, name: str) -> Paused:
    """Lets calls begin again."""
    raise NotImplementedError
