"""Runs: created once, planned by one, finished by one, remembered for a while.

Each method that changes something is one transition; the file of its name in `lua/` holds its contract.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import redis

from worker.errors import UsageError
from worker.exports.runs import FINAL, HELD, Lint, RunDocument, Trigger
from worker.state import keys
from worker.state.client import read_hash, read_newest, read_set
from worker.state.scripts import Bell, Transitions, milliseconds


@dataclass(frozen=True, slots=True)
class PlanClaim:
    """The right to plan a run. Chunks of an earlier epoch are void."""

    run_id: str
    epoch: int
    token: str


@dataclass(frozen=True, slots=True)
class FinishClaim:
    """The right to finish a run."""

    run_id: str
    token: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What workers need to know of a run while they work on it."""

    run_id: str
    export: str
    status: str
    stop: str
    connection: str
    audience_id: str
    epoch: int
    segments: tuple[str, ...]
    full: bool
    approved: bool
    skip_required: bool
    status_for_all: bool
    trigger: Trigger


class TooManyPlans(Exception):
    """Planning this run has killed its worker too often."""


class Runs:
    """The ledger of runs."""

    def __init__(self, client: "redis.Redis", transitions: Transitions) -> None:
        self._client = client
        self._transitions = transitions

    def create(
        self, run_id: str, *, export: str, trigger: Trigger, segments: Sequence[str] = (), full: bool = False
    ) -> tuple[str, list[Bell]]:
        """Stores a run; a repeated refresh gives the run it created before.

        A retry never takes the place of another run of the export: '' if one is held or waits already.
        """
        refresh_id = "" if trigger.retries else trigger.refresh_id or ""
        return self._transitions.ring(
            "create_run",
            run_id,
            export,
            msgspec.json.encode(trigger).decode(),
            int(full),
            refresh_id,
            int(bool(trigger.retries)),
            *segments,
        )

    def claim_plan(self, run_id: str, *, tries: int) -> PlanClaim | None:
        """Takes the right to plan; None if there is nothing to plan now.

        Raises:
            TooManyPlans: every try before ended without a sign.
        """
        epoch, token = self._transitions.call("claim_plan", run_id, tries)
        if epoch < 0:
            raise TooManyPlans
        return PlanClaim(run_id, epoch, token) if epoch else None

    def survey(
        self,
        claim: PlanClaim,
        *,
        connection: str,
        max_connections: int,
        audience_id: str,
        segments: Sequence[str],
        counts: Mapping[str, int],
        lint: Mapping[str, Lint] | None = None,
    ) -> bool:
        """Notes what pass one found; False if this plan is void or its run was stopped."""
        facts: dict[str, str | int] = {
            "audience_id": audience_id,
            "segments": json.dumps(list(segments)),
            "lint": msgspec.json.encode(lint or {}).decode(),
            **counts,
        }
        flat = [part for pair in facts.items() for part in pair]
        status = self._transitions.call(
            "survey_plan", claim.run_id, claim.token, connection, max_connections, *flat
        )
        return bool(status == 1)

    def count_resubscribed(self, run_id: str, people: int) -> None:
        """Counts people who are subscribed although they had said no."""
        self._client.hset(keys.run(run_id), "resubscribed", people)

    def count_removed(self, claim: PlanClaim, people: int) -> None:
        """Counts people who left and have no tag to be taken off."""
        self._client.hset(keys.run(claim.run_id), "removed", people)

    def offer(
        self, claim: PlanClaim, chunks: Sequence[tuple[str, int, str]], *, phase: float = 1
    ) -> tuple[bool, list[Bell]]:
        """Adds staged chunks (name, members, location) of a phase; False if this plan is void."""
        flat = [part for chunk in chunks for part in chunk]
        status, bells = self._transitions.ring("offer", claim.run_id, claim.token, f"{phase:g}", *flat)
        return status == 1, bells

    def seal(self, claim: PlanClaim, report_parts: Sequence[str]) -> tuple[bool, list[Bell]]:
        """Says that the plan is complete; False if it is void."""
        status, bells = self._transitions.ring("seal_plan", claim.run_id, claim.token, *report_parts)
        return status == 1, bells

    def abort(self, claim: PlanClaim, *, status: str, sentence: str) -> list[Bell]:
        """Ends a run from its plan; chunks that are out already are stopped and awaited."""
        outcome, bells = self._transitions.ring("abort_plan", claim.run_id, claim.token, status, sentence)
        if outcome != 2:  # noqa: PLR2004 - the transition's word for "chunks are out"
            return bells
        return self.stop(claim.run_id, status=status, sentence=sentence)[1] + self.seal(claim, ())[1]

    def defer(self, claim: PlanClaim, *, delay: timedelta) -> None:
        """Leaves a plan for later; waiting is no attempt."""
        self._transitions.call("defer_plan", claim.run_id, claim.token, milliseconds(delay))

    def stop(self, run_id: str, *, status: str, sentence: str) -> tuple[bool, list[Bell]]:
        """Stops a run: no call begins after this. False if it has ended or is stopping already."""
        outcome, bells = self._transitions.ring("stop_run", run_id, status, sentence)
        return outcome == 1, bells

    def claim_finish(self, run_id: str) -> FinishClaim | None:
        """Takes the right to finish a run; None if there is nothing to finish now."""
        token = self._transitions.call("claim_finish", run_id)
        return FinishClaim(run_id, token) if token else None

    def finish(
        self, claim: FinishClaim, report_parts: Sequence[str], *, snapshot: str = ""
    ) -> tuple[str, list[Bell]]:
        """Ends a run, and makes its snapshot the one that counts; returns its final status, '' if void."""
        return self._transitions.ring("finish_run", claim.run_id, claim.token, snapshot, *report_parts)

    def snapshot(self, export: str) -> str:
        """The version of the export's snapshot, '' if it has none."""
        return str(self._client.get(keys.snapshot(export)) or "")

    def active_of(self, export: str) -> str:
        """The run of an export that is queued or at work; '' if there is none, or it waits for a person."""
        run_id = str(self._client.hget(keys.export(export), "active") or "")
        held = bool(run_id) and self._client.hget(keys.run(run_id), "status") == HELD
        return "" if held else run_id

    def hold(self, claim: PlanClaim, sentence: str) -> bool:
        """Stops a plan before anything is sent, until a person decides; False if it is void."""
        return bool(self._transitions.call("hold_plan", claim.run_id, claim.token, sentence) == 1)

    def approve(self, run_id: str) -> tuple[bool, list[Bell]]:
        """Lets a held run go on without its guard; False if it is not held."""
        status, bells = self._transitions.ring("approve_run", run_id)
        return status == 1, bells

    def pass_canary(self, run_id: str) -> list[Bell]:
        """Says that the canary's effect is as it should be."""
        return self._transitions.ring("pass_canary", run_id)[1]

    def replan(self, run_id: str, epoch: int) -> list[Bell]:
        """Makes a plan void, because its audience wants to be written to in another way."""
        return self._transitions.ring("replan", run_id, epoch)[1]

    def renew(self, claims: Sequence[PlanClaim | FinishClaim]) -> None:
        """Says that these claims are still worked on."""
        flat: list[str | int] = []
        for claim in claims:
            flat += ["plan" if isinstance(claim, PlanClaim) else "finish", "", claim.run_id, "", claim.token]
        if flat:
            self._transitions.call("renew", *flat)

    def tend(self, run_id: str, *, deadline: timedelta, patience: timedelta) -> list[Bell]:
        """Rings for whatever an active run waits for."""
        return self._transitions.ring("tend_run", run_id, milliseconds(deadline), milliseconds(patience))[1]

    def facts(self, run_id: str) -> RunFacts | None:
        """What workers need to know of a run; None if it is not remembered."""
        fields = read_hash(self._client, keys.run(run_id))
        return _facts(fields) if fields else None

    def failed_chunks(self, run_id: str) -> dict[str, "FailedChunk"]:
        """The chunks of a run that were given up, by name."""
        records = read_hash(self._client, keys.chunks(run_id))
        decoded = {name: msgspec.json.decode(text, type=_Record) for name, text in records.items()}
        return {
            name: FailedChunk(record.p, record.m, record.e)
            for name, record in sorted(decoded.items())
            if record.s == "failed"
        }

    def report_parts(self, run_id: str) -> list[str]:
        """The names of the parts of a run's report, in the order in which they are read."""
        return read_set(self._client, keys.report(run_id))

    def active(self) -> list[str]:
        """Runs that have not ended."""
        return read_set(self._client, keys.ACTIVE)

    def untidy(self) -> list[str]:
        """Runs that have ended and whose staged data is still there."""
        return read_set(self._client, keys.TIDY)

    def tidied(self, run_id: str) -> None:
        """Notes that a run's staged data is gone."""
        self._client.srem(keys.TIDY, run_id)

    def document(self, run_id: str) -> RunDocument:
        """The run document.

        Raises:
            UsageError: no such run is remembered.
        """
        fields = read_hash(self._client, keys.run(run_id))
        if not fields:
            raise UsageError(f"There is no run {run_id}: see `segment-export get runs` for those remembered.")
        return _document(fields)

    def recent(self, *, export: str | None = None, most: int = 50) -> list[RunDocument]:
        """The newest runs first, of one export or of all."""
        found: list[RunDocument] = []
        for run_id in read_newest(self._client, keys.RUNS):
            fields = read_hash(self._client, keys.run(run_id))
            if fields and export in {None, fields["export"]}:
                found.append(_document(fields))
            if len(found) == most:
                break
        return found


class FailedChunk(msgspec.Struct, frozen=True):
    """A chunk that was given up: where it is staged, which members, and the word for why."""

    location: str
    members: list[int] | None
    reason: str


class _Record(msgspec.Struct):
    s: str
    p: str
    m: list[int] | None = None
    e: str = ""


def _facts(fields: Mapping[str, str]) -> RunFacts:
    return RunFacts(
        run_id=fields["run_id"],
        export=fields["export"],
        status=fields["status"],
        stop=fields.get("stop", ""),
        connection=fields.get("connection", ""),
        audience_id=fields.get("audience_id", ""),
        epoch=int(fields["epoch"]),
        segments=tuple(json.loads(fields.get("segments", "[]"))),
        full=fields["full"] == "1",
        approved=fields.get("approved") == "1",
        skip_required=fields.get("skip_required") == "1",
        status_for_all=fields.get("status_for_all") == "1",
        trigger=msgspec.json.decode(fields["trigger"], type=Trigger),
    )


def _document(fields: Mapping[str, str]) -> RunDocument:
    def number(name: str) -> int:
        return int(fields.get(name, 0))

    def moment(name: str) -> str | None:
        return _iso(fields[name]) if name in fields else None

    status = fields["status"]
    return RunDocument.of(
        run_id=fields["run_id"],
        export=fields["export"],
        trigger=msgspec.json.decode(fields["trigger"], type=Trigger),
        status=status,
        count=number,
        started_at=moment("started_at"),
        finished_at=moment("finished_at") if status in FINAL else None,
        error=fields.get("error"),
        lint=msgspec.json.decode(fields.get("lint", "{}"), type=dict[str, Lint]),
    )


def _iso(ms: Any) -> str:
    return (
        datetime.fromtimestamp(float(ms) / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
