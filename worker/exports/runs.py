"""A run as people and scripts see it: its identity, its states, its document."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from worker.exports.outcomes import Outcome

FINAL: Final = frozenset({"successful", "partial", "failed", "canceled", "skipped"})
GOOD: Final = frozenset({"successful", "skipped"})
HELD: Final = "held"
"""Not a final state, but one that only a person ends."""
RETRY: Final = "retry"


def new_run_id(now: datetime) -> str:
    """An id that sorts by time and that a person can read aloud: `20261123-0742-5f3a9c1b`."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run exists: `refresh` (with the refresh's id), `schedule`, `manual`, or `retry`.

    A retry has the `run_id` of the run whose failed and rejected profiles it sends again, and the refresh's
    id of that run, so that it reads the same files.
    """

    kind: str
    refresh_id: str | None = None
    run_id: str | None = None

    @property
    def retries(self) -> str:
        """The run that is tried again; '' if this is no retry."""
        return (self.run_id or "") if self.kind == RETRY else ""


class Lint(msgspec.Struct, frozen=True):
    """Values of a merge field that don't fit it (`bad`), had to be cut or are `missing`, in profiles.

    Only a required field has missing ones. `rows` names the first few of all these as `SEGMENT:ROW`, bad ones
    first and cut ones last; never their values.
    """

    bad: int
    cut: int
    rows: list[str]
    missing: int = 0


class ChunkCounts(msgspec.Struct, frozen=True):
    """How far the uploads are."""

    total: int
    done: int
    failed: int


class RunDocument(msgspec.Struct, frozen=True):
    """The run document of the public contract; `lint` is by merge tag, of those that have any."""

    run_id: str
    export: str
    trigger: Trigger
    status: str
    profiles: dict[str, int]
    removed: int
    resubscribed: int
    chunks: ChunkCounts
    api_calls: int
    started_at: str | None
    finished_at: str | None
    error: str | None
    lint: dict[str, Lint] = {}

    @classmethod
    def of(
        cls,
        *,
        run_id: str,
        export: str,
        trigger: Trigger,
        status: str,
        count: Callable[[str], int],
        started_at: str | None,
        finished_at: str | None,
        error: str | None,
        lint: Mapping[str, Lint] | None = None,
    ) -> "RunDocument":
        """A document from a ledger that counts by name."""
        return cls(
            run_id=run_id,
            export=export,
            trigger=trigger,
            status=status,
            profiles={name: count(name) for name in ("read", *map(str, Outcome))},
            removed=count("removed"),
            resubscribed=count("resubscribed"),
            chunks=ChunkCounts(count("chunks_total"), count("chunks_done"), count("chunks_failed")),
            api_calls=count("api_calls"),
            started_at=started_at,
            finished_at=finished_at,
            error=error,
            lint=dict(lint or {}),
        )

    @property
    def ended(self) -> bool:
        """Whether the run has reached a final state."""
        return self.status in FINAL
