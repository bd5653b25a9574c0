"""What operations give back, beside run documents: models with a schema, made of JSON types."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from worker.exports.definitions import Connection, Export, Segment

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and what to ask for as `after` to get the next one; None at its end."""

    items: list[T]
    next: str | None = None


class Document(BaseModel):
    """A frozen answer; its schema is made when it is first needed, as a plain command needs few of them."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Made(Document):
    """When something was made, and by whom; unknown for what older versions stored."""

    at: datetime
    by: str


class ConnectionSummary(Document):
    """All that others than administrators see of a connection that is shared with them."""

    name: str
    display_name: str
    type: Literal["mailchimp"]


class Standing(Document):
    """How a connection stands: calls open now, the limit now, and whether calls may begin."""

    state: Literal["ready", "cooling", "paused"]
    open: int
    limit: int


class ConnectionView(Connection):
    """A connection as administrators see it; `api_key` is its reference, or the word `encrypted`."""

    model_config = ConfigDict(defer_build=True)

    api_key: str
    made: Made | None = None
    used_by: list[str] = Field(default_factory=list, description="names of exports")
    standing: Standing


class SegmentView(Segment):
    """A segment and the exports that take it."""

    model_config = ConfigDict(defer_build=True)

    made: Made | None = None
    used_by: list[str] = Field(default_factory=list, description="names of exports")


class LastRun(Document):
    """The newest run of an export."""

    run_id: str
    status: str
    read: int
    left_out: int
    started_at: str | None
    finished_at: str | None
    error: str | None


class ExportView(Export):
    """An export, how it stands, and what this caller may do with it.

    `status` is `detached`, `disabled`, or that of its newest run: `never_run` if there is none. `next_run` is
    when its schedule is due, if it has one.
    """

    model_config = ConfigDict(defer_build=True)

    made: Made | None = None
    status: str
    last_run: LastRun | None = None
    next_run: datetime | None = None
    permissions: list[str] = Field(default_factory=list, description="names of operations")
    warnings: list[str] = Field(default_factory=list, description="sentences")


class Removed(Document):
    """What removing something led to: names of exports, ids of runs that were stopped."""

    name: str
    detached: list[str] = []
    removed: list[str] = []
    canceled: list[str] = []


class Link(Document):
    """Where somebody lets a connection use their Mailchimp account; good for ten minutes, once."""

    name: str
    link: str


class Paused(Document):
    """A connection that was paused or resumed: `changed` is false if it was so before."""

    name: str
    changed: bool
    standing: Standing


class TokenView(Document):
    """An API token, without itself; `id` is what it is revoked by."""

    id: str
    name: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    used_at: datetime | None
    expired: bool


class NewToken(TokenView):
    """A token that was made: `token` is shown this once."""

    token: str = Field(repr=False)


class Identity(Document):
    """Who the caller is, and the operations that the role allows."""

    name: str
    role: str
    operations: list[str]


class AuditEntry(Document):
    """A change: `what` is the operation, `on` what it changed; before and after hold what differs."""

    id: str
    at: datetime
    who: str
    role: str
    what: str
    on: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class InQuarantine(Document):
    """A person whom Mailchimp refused for good: its words, and until when they are not sent."""

    email: str = Field(repr=False)
    code: str
    message: str = Field(repr=False)
    until: datetime


def page(items: Sequence[T], key: Callable[[T], str], *, after: str, limit: int | None) -> Page[T]:
    """The part of a list, sorted by its key, that comes after a key."""
    rest = [item for item in items if key(item) > after]
    shown = rest if limit is None else rest[:limit]
    return Page(shown, key(shown[-1]) if len(shown) < len(rest) and shown else None)
