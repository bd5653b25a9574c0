"""Which operation is which call: the only table of it; a test holds it against the OpenAPI document.

The words in braces are an operation's own arguments. Of the others, `query` names those that go into the
query string (of GET and DELETE it is all of them), and `spread` the one whose values are the body; the rest
is the body's keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from producer.events import Refreshed
from producer.findings import Finding
from producer.operations.documents import (
    AuditEntry,
    ConnectionSummary,
    ConnectionView,
    ExportView,
    Identity,
    InQuarantine,
    Link,
    NewToken,
    Page,
    Paused,
    Removed,
    SegmentView,
    TokenView,
)
from producer.operations.runs import Canceled
from worker.exports.preview import Preview
from worker.exports.runs import RunDocument

Reader = Callable[[Any], Any]

_USUAL: Final = timedelta(minutes=1)
_LONG: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and what makes the operation's document of its answer; `patience` is for the whole of it."""

    method: str
    path: str
    read: Reader
    query: tuple[str, ...] = ()
    spread: str = ""
    paged: bool = False
    patience: timedelta = _USUAL


def _model(kind: type[BaseModel]) -> Reader:
    return kind.model_validate


def _struct(kind: Any) -> Reader:
    return lambda value: msgspec.convert(value, kind)


def _part(key: str, read: Reader) -> Reader:
    return lambda value: read(value[key])


def _each(read: Reader) -> Reader:
    return lambda value: [read(item) for item in msgspec.convert(value, list[Any])]


def _page(read: Reader) -> Reader:
    def of(value: Any) -> Page[Any]:
        page = msgspec.convert(value, Page[Any])
        return Page([read(item) for item in page.items], page.next)

    return of


def _connection(value: Any) -> ConnectionView | ConnectionSummary:
    kind = ConnectionView if "standing" in value else ConnectionSummary
    return kind.model_validate(value)


def _applied(value: Any) -> Any:
    from producer.applying import Applied, Change  # noqa: PLC0415 (slow, and only `apply` needs it)
    from producer.problems import CatalogProblem  # noqa: PLC0415

    changes = msgspec.convert(value["changes"], tuple[Change, ...])
    warnings = (CatalogProblem("", each["line"], each["sentence"]) for each in value["warnings"])
    return Applied(changes, tuple(warnings))


_VIEW, _EXPORT, _SEGMENT = _model(ConnectionView), _model(ExportView), _model(SegmentView)
_REMOVED, _PAUSED, _RUN = _model(Removed), _model(Paused), _struct(RunDocument)


def _list(path: str, read: Reader) -> Call:
    return Call("GET", path, _page(read), paged=True)


CALLS: Final[Mapping[str, Call]] = {
    "list_connections": _list("/connections", _connection),
    "show_connection": Call("GET", "/connections/{name}", _connection),
    "add_connection": Call("POST", "/connections", _VIEW, spread="values"),
    "edit_connection": Call("PATCH", "/connections/{name}", _VIEW, spread="changes"),
    "remove_connection": Call("DELETE", "/connections/{name}", _REMOVED),
    "share_connection": Call("PUT", "/connections/{name}/access", _VIEW),
    "record_consent": Call("PUT", "/connections/{name}/consent", _VIEW, spread="consent"),
    "rotate_key": Call("PUT", "/connections/{name}/key", _VIEW),
    "check_connection": Call(
        "POST", "/connections/{name}/check", _part("findings", _each(_struct(Finding))), patience=_LONG
    ),
    "authorize_connection": Call("POST", "/connections/{name}/authorize", _model(Link)),
    "pause_connection": Call("POST", "/connections/{name}/pause", _PAUSED),
    "resume_connection": Call("POST", "/connections/{name}/resume", _PAUSED),
    "list_segments": _list("/segments", _SEGMENT),
    "show_segment": Call("GET", "/segments/{name}", _SEGMENT),
    "add_segment": Call("POST", "/segments", _SEGMENT, spread="values"),
    "edit_segment": Call("PATCH", "/segments/{name}", _SEGMENT, spread="changes"),
    "remove_segment": Call("DELETE", "/segments/{name}", _REMOVED),
    "add_segment_to_export": Call("POST", "/segments/{segment}/exports", _EXPORT),
    "list_exports": _list("/exports", _EXPORT),
    "show_export": Call("GET", "/exports/{name}", _EXPORT),
    "add_export": Call("POST", "/exports", _EXPORT, spread="values"),
    "edit_export": Call("PATCH", "/exports/{name}", _EXPORT, spread="changes"),
    "remove_export": Call("DELETE", "/exports/{name}", _REMOVED),
    "duplicate_export": Call("POST", "/exports/{name}/duplicate", _EXPORT),
    "detach_export": Call("POST", "/exports/{name}/detach", _EXPORT),
    "enable_export": Call("POST", "/exports/{name}/enable", _EXPORT),
    "disable_export": Call("POST", "/exports/{name}/disable", _EXPORT),
    "schedule_exports": Call("PUT", "/schedules", _each(_EXPORT)),
    "run_export": Call("POST", "/exports/{name}/runs", _RUN, query=("full",)),
    "dry_run_export": Call(
        "POST", "/exports/{name}/dry-run", _struct(Preview), query=("full", "show"), patience=_LONG
    ),
    "list_quarantine": Call(
        "GET", "/exports/{export}/quarantine", _part("items", _each(_model(InQuarantine)))
    ),
    "clear_quarantine": Call("POST", "/exports/{export}/quarantine/clear", _part("people", _struct(int))),
    "list_runs": _list("/runs", _RUN),
    "show_run": Call("GET", "/runs/{run_id}", _RUN),
    "cancel_run": Call("POST", "/runs/{run_id}/cancel", _struct(Canceled)),
    "approve_run": Call("POST", "/runs/{run_id}/approve", _RUN),
    "retry_run": Call("POST", "/runs/{run_id}/retry", _RUN, patience=_LONG),
    "run_all": Call("POST", "/run-all", _part("runs", _each(_RUN)), query=("full",)),
    "refresh_finished": Call("POST", "/refreshes", _struct(Refreshed)),
    "apply_catalog": Call("POST", "/catalog", _applied),
    "who_am_i": Call("GET", "/me", _model(Identity)),
    "create_token": Call("POST", "/tokens", _model(NewToken)),
    "list_tokens": _list("/tokens", _model(TokenView)),
    "revoke_token": Call("DELETE", "/tokens/{token_id}", _model(TokenView)),
    "list_audit": _list("/audit", _model(AuditEntry)),
}
ROWS: Final = Call("GET", "/runs/{run_id}/rejected", list)
"""`rejected_rows`, which is read row by row."""
