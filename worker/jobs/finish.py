"""Finishes a run: the report of what was not delivered, the snapshot, the final state, staged data away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec
import structlog

from worker.errors import NotThere, SegmentExportError, StopRun
from worker.exports.chunks import Kind, StagedChunk
from worker.exports.failures import NOT_PLANNED, NOT_PLANNED_SENTENCE, SENTENCES
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.reporting import lines_of_failures
from worker.exports.statuses import KEPT_OUT, SUBSCRIBED
from worker.jobs.accounts import Accounts
from worker.jobs.correction import Ending, correct
from worker.jobs.holding import Holding
from worker.jobs.memory import Memory
from worker.mailchimp.client import MailchimpClient
from worker.state.catalog import Catalog
from worker.state.run_records import FailedChunk, RunFacts
from worker.state.runs import FinishClaim, Runs
from worker.state.scripts import Bell
from worker.store.objects import MissingObject, Objects, Sealer
from worker.store.packs import drop_staged, read_chunk
from worker.store.reports import read_lines, write_part

log = structlog.get_logger()

_SAMPLE: Final = 5
_ADDRESSES: Final = msgspec.json.Decoder(list[str])
_PAIRS: Final = msgspec.json.Decoder(list[tuple[str, str]])


@dataclass
class _Failures:
    """What was not delivered: its report parts, whose tags are still there, who may have arrived.

    `lost`: some of it can't be named, since what was staged is gone.
    """

    parts: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    lost: bool = False


class FinishJob:
    """The job behind a `finish_run` message."""

    def __init__(
        self,
        *,
        runs: Runs,
        catalog: Catalog,
        accounts: Accounts,
        memory: Memory,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
        ring: Callable[[list[Bell]], None],
    ) -> None:
        self._runs = runs
        self._catalog = catalog
        self._accounts = accounts
        self._memory = memory
        self._holding = holding
        self._objects = objects
        self._sealer = sealer
        self._ring = ring

    def run(self, run_id: str) -> None:
        """Finishes the run, if nobody else does, and tidies up behind it."""
        claim = self._runs.claim_finish(run_id)
        facts = self._runs.facts(run_id)
        if claim is not None and facts is not None:
            with self._holding.keep(claim):
                self._finish(claim, facts)
        self.tidy(run_id)

    def tidy(self, run_id: str) -> None:
        """Deletes the staged data of a run that has ended."""
        if run_id not in self._runs.untidy():
            return
        try:
            drop_staged(self._objects, run_id)
        except SegmentExportError as error:
            log.error("store.trouble", reason=str(error))
        else:
            self._runs.tidied(run_id)

    def _finish(self, claim: FinishClaim, facts: RunFacts) -> None:
        before = self._runs.snapshot(facts.export)
        try:
            failures = self._report_failures(claim, facts)
            parts = failures.parts
            self._check_sample(facts, parts)
            snapshot = self._correct(claim, facts, before, failures)
        except SegmentExportError as error:
            log.error("finish.waits", reason=str(error))
            return  # the claim lapses, and the sweeper rings again
        status, bells = self._runs.finish(claim, parts, snapshot=snapshot)
        if status:
            document = self._runs.document(claim.run_id)
            log.info("run.finished", status=status, **document.profiles, error=document.error)
            if before and snapshot not in {"", before}:
                self._memory.drop(facts.export, before)
        self._ring(bells)

    def _correct(self, claim: FinishClaim, facts: RunFacts, before: str, failures: _Failures) -> str:
        days = self._quarantine_days(facts.export)
        if days is None or facts.broke_off or failures.lost:
            # what a plan that broke off, or is void, has drafted names people who were never sent, and nobody
            # can tell who was in a chunk that is lost
            return ""
        lines = self._lines(facts, failures.parts)
        version = f"{facts.run_id}-{facts.epoch}"
        ending = Ending.of(lines, failures.undone, failures.unsure)
        return correct(
            self._memory,
            facts.export,
            version,
            end=claim.token,
            before=before,
            ending=ending,
            quarantine_days=days,
        )

    def _quarantine_days(self, export: str) -> int | None:
        """None if the export was removed meanwhile: then there is nothing to remember either."""
        try:
            return self._catalog.export(export).quarantine_days
        except NotThere:
            return None

    def _lines(self, facts: RunFacts, parts: Sequence[str]) -> Iterator[ReportLine]:
        """The lines of members who were sent; planning's own are about others."""
        written = [name for name in self._runs.report_parts(facts.run_id) if not name.startswith("plan-")]
        return read_lines(self._objects, self._sealer, facts.run_id, sorted({*written, *parts}))

    def _report_failures(self, claim: FinishClaim, facts: RunFacts) -> _Failures:
        """Writes a report part for each chunk that was given up."""
        found = _Failures()
        for name, failed in self._runs.failed_chunks(claim.run_id).items():
            chunk = self._chunk(claim, name, failed)
            if chunk is not None and chunk.kind != Kind.UPSERT:
                found.undone += _old_addresses(chunk)
                found.unsure += _old_addresses(chunk) if failed.unsure else []
                continue
            found.lost = found.lost or chunk is None
            # staged data may be gone for somebody who was taken for dead and goes on: their parts don't count
            found.parts.append(f"failed-{name}-{claim.token}")
            lines = _lines_of(chunk, failed, facts.segments)
            found.unsure += [line.email for line in lines if failed.unsure and line.email]
            write_part(self._objects, self._sealer, claim.run_id, found.parts[-1], lines)
        if facts.broke_off:
            found.parts.append(f"not-planned-{claim.token}")
            lines = [_nobody_named(NOT_PLANNED, NOT_PLANNED_SENTENCE)]
            write_part(self._objects, self._sealer, claim.run_id, found.parts[-1], lines)
        return found

    def _chunk(self, claim: FinishClaim, name: str, failed: FailedChunk) -> StagedChunk | None:
        epoch, _, rest = name.partition("-")
        number = int(rest.partition(".")[0])
        try:
            return read_chunk(self._objects, self._sealer, claim.run_id, int(epoch), number, failed.location)
        except MissingObject:
            return None

    def _check_sample(self, facts: RunFacts, parts: Sequence[str]) -> None:
        """Looks a few of the suppressed up again: nobody of them may have become subscribed in this run.

        Somebody may have come back before it, which is not known until the whole audience is read again.
        """
        if facts.stop:
            return
        names = self._runs.report_parts(facts.run_id)
        lines = read_lines(self._objects, self._sealer, facts.run_id, [*names, *parts])
        out = (line.email for line in lines if line.outcome == Outcome.SUPPRESSED and line.code in KEPT_OUT)
        chosen, began = list(islice(out, _SAMPLE)), self._runs.document(facts.run_id).started_at
        if not chosen or began is None:
            return
        start = datetime.fromisoformat(began)

        def subscribed(client: MailchimpClient) -> int:
            found = (client.member(facts.audience_id, address) for address in chosen)
            came_back = (each for each in found if each is not None and each.status == SUBSCRIBED)
            return sum(each.changed_since(start) for each in came_back)

        connection = self._catalog.connection(facts.connection)
        try:
            seen = self._accounts.call(connection, facts.run_id, subscribed)
        except StopRun as error:
            # asked again, Mailchimp would say the same: the run ends, and says that this was not looked at
            self._ring(self._runs.stop(facts.run_id, status="failed", sentence=str(error))[1])
            return
        if seen:
            log.critical("consent.broken", resubscribed=seen)
            self._runs.count_resubscribed(facts.run_id, seen)


def _lines_of(chunk: StagedChunk | None, failed: FailedChunk, segments: Sequence[str]) -> list[ReportLine]:
    message = SENTENCES[failed.reason]
    if chunk is None:
        return [_nobody_named(failed.reason, message)]
    positions = range(chunk.count) if failed.members is None else failed.members
    return lines_of_failures(chunk, segments, positions, code=failed.reason, message=message)


def _old_addresses(chunk: StagedChunk) -> list[str]:
    """Whose tags were to be taken off, or who was to move."""
    if chunk.kind == Kind.MOVE:
        return [old for old, _ in _PAIRS.decode(chunk.body)]
    return _ADDRESSES.decode(chunk.body)


def _nobody_named(code: str, message: str) -> ReportLine:
    return ReportLine("", 0, "", Outcome.FAILED, code, "", message)
