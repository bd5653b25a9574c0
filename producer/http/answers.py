"""What the HTTP API answers where an operation gives something else than a document of its own."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from producer.operations.documents import (
    AuditEntry,
    ConnectionSummary,
    ConnectionView,
    ExportView,
    InQuarantine,
    SegmentView,
    TokenView,
)

T = TypeVar("T")


class Answer(BaseModel):
    """A part of an answer, made of an object that has these attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True, extra="forbid")


class Listed(Answer, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = Field(description="what to ask for as `after` to get more; null at the end")


class ExportList(Listed[ExportView]):
    """Exports by name."""


class SegmentList(Listed[SegmentView]):
    """Segments by name."""


class ConnectionList(Listed[ConnectionView | ConnectionSummary]):
    """Connections by name."""


class TokenList(Listed[TokenView]):
    """Tokens, the oldest first."""


class AuditList(Listed[AuditEntry]):
    """Changes, the newest first."""


class Trigger(Answer):
    """Why a run exists."""

    kind: str = Field(description="refresh, schedule, manual or retry")
    refresh_id: str | None = Field(None, description="the refresh whose files are read")
    run_id: str | None = Field(None, description="the run that is tried again")

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Profiles(Answer):
    """How many profiles were read, and what became of them: the others add up to `read`."""

    read: int
    created: int
    updated: int
    unchanged: int
    invalid: int
    duplicate: int
    suppressed: int
    rejected: int
    failed: int


class Chunks(Answer):
    """How far the uploads are."""

    total: int
    done: int
    failed: int


class Lint(Answer):
    """Values of a merge field that don't fit it (`bad`), had to be cut or are missing, in profiles."""

    bad: int
    cut: int
    rows: list[str] = Field(description="the first few, as SEGMENT:ROW")
    missing: int = Field(description="of a field that the audience requires")


class Run(Answer):
    """How a run stands: the same document as `segment-export status RUN --json` prints."""

    run_id: str
    export: str
    trigger: Trigger
    status: str = Field(
        description="queued, planning, held, uploading, finishing; at the end successful, partial, failed, "
        "canceled or skipped"
    )
    profiles: Profiles
    removed: int = Field(description="people who left the segments")
    resubscribed: int = Field(description="people who were subscribed against their will: 0")
    chunks: Chunks
    api_calls: int
    started_at: str | None
    finished_at: str | None
    error: str | None = Field(description="one sentence: why it ended so, and what to do")
    lint: dict[str, Lint] = Field(description="by merge tag")


class RunList(Listed[Run]):
    """Runs, the newest first."""


class Runs(Answer):
    """Runs that were started."""

    runs: list[Run]


class Refreshed(Runs):
    """What a finished refresh led to."""

    refresh_id: str
    unknown: list[str] = Field(description="segments that are not in the catalog")


class Canceled(Answer):
    """A run that was told to stop."""

    run: Run
    stopped: bool = Field(description="false if it had been told before")


class Example(Answer):
    """One person."""

    email: str
    row: str = Field(description="SEGMENT:ROW, where there is one")
    why: str


class Group(Answer):
    """How many people something would happen to, and the first of them."""

    count: int
    examples: list[Example]


class NewField(Answer):
    """A merge field that the run would create."""

    tag: str
    type: str


class Preview(Answer):
    """What a run would do."""

    export: str
    audience_id: str
    first: bool = Field(description="whether nothing is remembered of an earlier run")
    full: bool
    read: int
    would: dict[str, Group]
    new_merge_fields: list[NewField]
    lint: dict[str, Lint]
    guard: str | None = Field(description="why the run would be held")


class Change(Answer):
    """What applying meant for one definition."""

    kind: Literal["connection", "segment", "export"]
    name: str
    what: Literal["added", "changed", "unchanged"]


class Warned(Answer):
    """What to look after."""

    line: int
    sentence: str


class Applied(Answer):
    """What became of each definition of a catalog."""

    changes: list[Change]
    warnings: list[Warned]


class Found(Answer):
    """One thing that was looked at."""

    level: Literal["ok", "warn", "fail"]
    sentence: str


class Findings(Answer):
    """What looking at a connection and the exports over it found."""

    findings: list[Found]


class Quarantine(Answer):
    """Who is not sent for now, who is let out first at the head."""

    items: list[InQuarantine]


class Cleared(Answer):
    """How many people were let out of a quarantine."""

    people: int


class Health(Answer):
    """That the process is up, or ready."""

    status: Literal["ok", "ready"]


class StartedRun(Answer):
    """A run that an event led to."""

    run_id: str
    export: str


class EventTaken(Answer):
    """What an event led to."""

    source: str
    id: str
    refresh_id: str
    duplicate: bool = Field(description="whether it was taken before")
    runs: list[StartedRun]
    unknown_segments: list[str]


class EventResult(Answer):
    """What became of one event of a batch: what it led to, or why it was refused."""

    status: int
    detail: str | None = None
    source: str | None = None
    id: str | None = None
    refresh_id: str | None = None
    duplicate: bool | None = None
    runs: list[StartedRun] | None = None
    unknown_segments: list[str] | None = None


class EventsTaken(Answer):
    """What became of each event of a batch, in its order."""

    results: list[EventResult]
