"""Runs: created once, planned by one, finished by one, remembered for a while.

Each method that changes something is one transition; the file of its name in `lua/` holds its contract.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import redis

from worker.exports.runs import Lint, Trigger
from worker.state import keys
from worker.state.client import read_set
from worker.state.run_records import RunRecords
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


class TooManyPlans(Exception):
    """Planning this run has killed its worker too often."""


class Runs(RunRecords):
    """The ledger of runs: what changes it, beside what reads it."""

    def __init__(self, client: "redis.Redis", transitions: Transitions) -> None:
        super().__init__(client)
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

    def replace_snapshot(self, export: str, version: str, copy: str) -> bool:
        """Lets a copy of the snapshot that counts take its place; False if a run is, or was, in between."""
        return bool(self._transitions.call("replace_snapshot", export, version, copy) == 1)

    def hold(self, claim: PlanClaim, sentence: str) -> tuple[bool, list[Bell]]:
        """Stops a plan before it sends anything, for a person or a newer run; False if it is void."""
        status, bells = self._transitions.ring("hold_plan", claim.run_id, claim.token, sentence)
        return status == 1, bells

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

    def tidied(self, run_id: str) -> None:
        """Notes that a run's staged data is gone."""
        self._client.srem(keys.TIDY, run_id)

    def forget_export(self, export: str) -> bool:
        """Forgets a removed export; False while a run of it is active or waits."""
        if not self._transitions.call("forget_export", export):
            return False
        for key in self._client.scan_iter(match=keys.refresh(export, "*"), count=1000):
            self._client.delete(key)
        return True

    def removing(self) -> list[str]:
        """Exports that were removed from the catalog and whose memory is still there."""
        return read_set(self._client, keys.REMOVING)

    def removed(self, export: str) -> None:
        """Notes that nothing is left of a removed export."""
        self._client.srem(keys.REMOVING, export)
