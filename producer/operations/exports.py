"""Exports: what they are, how they stand, and every change of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from producer.desk import Desk, operation
from producer.operations.documents import ExportView, Page, Removed


@operation
def list_exports(
    desk: Desk,
    *,
    connection: str | None = None,
    segment: str | None = None,
    enabled: bool | None = None,
    after: str = "",
    limit: int | None = None,
) -> Page[ExportView]:
    """Exports by name: of a connection, with a segment, enabled or not."""
    raise NotImplementedError


@operation
def show_export(desk: Desk, name: str) -> ExportView:
    """One export."""
    raise NotImplementedError


@operation
def add_export(desk: Desk, name: str, values: Mapping[str, Any]) -> ExportView:
    """Adds an export of the values of a configuration file."""
    raise NotImplementedError


@operation
def edit_export(desk: Desk, name: str, changes: Mapping[str, Any]) -> ExportView:
    """Replaces the values that are named; null takes one back to its default."""
    raise NotImplementedError


@operation
def duplicate_export(
    desk: Desk, name: str, new_name: str, changes: Mapping[str, Any] | None = None
) -> ExportView:
    """Adds a copy under another name, with changes; it is disabled until somebody enables it."""
    raise NotImplementedError


@operation
def detach_export(desk: Desk, name: str) -> ExportView:
    """Takes the connection of an export away, and stops its runs; it is kept, and does not run."""
    raise NotImplementedError


@operation
def remove_export(desk: Desk, name: str) -> Removed:
    """Removes an export, stops its runs, and forgets what Mailchimp had accepted of it."""
    raise NotImplementedError


@operation
def enable_export(desk: Desk, name: str) -> ExportView:
    """Lets an export run again."""
    raise NotImplementedError


@operation
def disable_export(desk: Desk, name: str) -> ExportView:
    """Keeps an export from starting; a run that is under way goes on."""
    raise NotImplementedError


@operation
def schedule_exports(
    desk: Desk, names: Sequence[str], run: str, time_zone: str | None = None
) -> list[ExportView]:
    """Says when exports run, all of them or none: on_refresh, manual, or a cron line."""
    raise NotImplementedError


@operation
def add_segment_to_export(desk: Desk, segment: str, export: str) -> ExportView:
    """Lets an export take one more segment."""
    raise NotImplementedError
