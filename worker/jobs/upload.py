"""Uploads one chunk: ask the ledger, send, sort the answer, settle."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

import structlog

from worker.errors import ChunkRefused, SegmentExportError
from worker.exports.chunks import StagedChunk
from worker.exports.failures import SENTENCES
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.reporting import lines_of_failures, lines_of_refusals
from worker.exports.uploading import Answer, Refusal, Sorted, addresses_of, halves, narrow, sort_answers
from worker.exports.verdict import MAX_ATTEMPTS, GiveUp, Park, Reject, Split, Stop, decide
from worker.jobs.accounts import Accounts
from worker.jobs.holding import Holding
from worker.state.runs import RunFacts, Runs
from worker.state.scripts import Bell
from worker.state.slots import Child, ChunkRecord, Lease, ParkReason, Slots
from worker.store.objects import MissingObject, Objects, Sealer
from worker.store.packs import read_chunk
from worker.store.reports import write_part

log = structlog.get_logger()

_STORE_DELAY: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class _Upload:
    """One granted chunk while it is worked on. `positions` are those of its members in the staged body."""

    facts: RunFacts
    lease: Lease
    record: ChunkRecord
    staged: StagedChunk
    began: float

    @property
    def positions(self) -> Sequence[int]:
        return range(self.staged.count) if self.record.members is None else self.record.members

    @property
    def body(self) -> bytes:
        return self.staged.body if self.record.members is None else narrow(self.staged.body, self.positions)

    @property
    def took(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self.began)


class UploadJob:
    """The job behind an `upload_chunk` message."""

    def __init__(
        self,
        *,
        slots: Slots,
        runs: Runs,
        accounts: Accounts,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
    ) -> None:
        self._slots = slots
        self._runs = runs
        self._accounts = accounts
        self._holding = holding
        self._objects = objects
        self._sealer = sealer
        self._facts = lru_cache(maxsize=256)(self._load_facts)

    def run(self, bell: Bell) -> list[Bell]:
        """Does what the bell asks for, if it still holds; returns what is to be rung next."""
        facts = self._facts(bell.run_id, bell.chunk.partition("-")[0])
        lease = Lease(facts.connection if facts else "", bell.run_id, bell.chunk, bell.token)
        record = self._slots.begin(lease) if facts else None
        if facts is None or record is None:
            log.info("chunk.stale")
            return []
        with self._holding.keep(lease):
            return self._deliver(facts, lease, record)

    def _deliver(self, facts: RunFacts, lease: Lease, record: ChunkRecord) -> list[Bell]:
        try:
            staged = self._read(lease, record)
        except MissingObject as error:
            log.error("chunk.lost", reason=str(error))
            return self._slots.give_up(lease, reason="staged_data_lost", may_be_open=False)[1]
        except SegmentExportError as error:
            return self._wait_for_store(lease, error)
        upload = _Upload(facts, lease, record, staged, time.monotonic())
        try:
            answer = self._accounts.client(lease.connection).upsert(facts.audience_id, upload.body)
            outcome = self._sorted(upload, answer)
        except SegmentExportError as error:
            return self._mend(upload, error)
        return self._settle(upload, outcome)

    def _sorted(self, upload: _Upload, answer: Answer) -> Sorted:
        return sort_answers(len(upload.positions), lambda: addresses_of(upload.body), answer)

    def _settle(self, upload: _Upload, outcome: Sorted) -> list[Bell]:
        missing = [upload.positions[at] for at in outcome.missing]
        refused = [(upload.positions[at], refusal) for at, refusal in outcome.refused]
        ask_again = upload.record.attempts < MAX_ATTEMPTS
        lines = lines_of_refusals(upload.staged, upload.facts.segments, refused)
        if missing and not ask_again:
            lines += self._unanswered(upload, missing)
        return self._record(
            upload,
            lines,
            {
                Outcome.CREATED: outcome.created,
                Outcome.UPDATED: outcome.updated,
                Outcome.REJECTED: len(refused),
                Outcome.FAILED: 0 if ask_again else len(missing),
            },
            children=[Child(missing)] if missing and ask_again else [],
            attempts=upload.record.attempts + 1,
        )

    def _unanswered(self, upload: _Upload, missing: Sequence[int]) -> list[ReportLine]:
        return lines_of_failures(
            upload.staged, upload.facts.segments, missing, code="unanswered", message=SENTENCES["unanswered"]
        )

    def _mend(self, upload: _Upload, error: SegmentExportError) -> list[Bell]:
        record, lease = upload.record, upload.lease
        verdict = decide(
            error,
            members=len(upload.positions),
            attempts=record.attempts,
            parks=record.parks,
            chance=random.random,
        )
        log.info("chunk.mend", verdict=type(verdict).__name__, **_loggable(error))
        match verdict:
            case Park():
                return self._park(upload, verdict)
            case GiveUp(reason, may_be_open):
                return self._slots.give_up(lease, reason=reason, may_be_open=may_be_open)[1]
            case Split():
                parts = [Child(part) for part in halves(upload.positions)]
                return self._record(upload, [], {}, children=parts, attempts=record.attempts)
            case Reject(code, field, message):
                return self._reject(upload, code, field, message)
            case Stop(sentence):
                stopped = self._runs.stop(lease.run_id, status="failed", sentence=sentence)[1]
                return stopped + self._park(upload, Park(timedelta(), deferred=True))

    def _reject(self, upload: _Upload, code: str, field: str, message: str) -> list[Bell]:
        at = upload.positions[0]
        refusal = Refusal(addresses_of(upload.staged.body)[at], code, message, field)
        lines = lines_of_refusals(upload.staged, upload.facts.segments, [(at, refusal)])
        return self._record(upload, lines, {Outcome.REJECTED: 1})

    def _park(self, upload: _Upload, verdict: Park) -> list[Bell]:
        reason = ParkReason.UNAVAILABLE
        if verdict.throttled:
            reason = ParkReason.THROTTLED
        elif verdict.deferred:
            reason = ParkReason.DEFERRED
        return self._slots.park(
            upload.lease,
            reason=reason,
            delay=verdict.delay,
            may_be_open=verdict.may_be_open,
            took=upload.took,
        )[1]

    def _record(
        self,
        upload: _Upload,
        lines: Sequence[ReportLine],
        outcomes: Mapping[str, int],
        *,
        children: Sequence[Child] = (),
        attempts: int = 0,
    ) -> list[Bell]:
        lease, part, took = upload.lease, "", upload.took
        if lines:
            part = f"chunk-{lease.chunk}-{lease.token}"
            try:
                write_part(self._objects, self._sealer, lease.run_id, part, lines)
            except SegmentExportError as error:
                return self._wait_for_store(lease, error)
        counted, bells = self._slots.settle(
            lease,
            took=took,
            outcomes=outcomes,
            report_part=part,
            children=children,
            attempts=attempts,
        )
        log.info(
            "chunk.settled" if counted else "chunk.settled_late",
            **outcomes,
            parts=len(children),
            ms=round(took / timedelta(milliseconds=1)),
        )
        return bells

    def _wait_for_store(self, lease: Lease, error: SegmentExportError) -> list[Bell]:
        log.error("store.trouble", reason=str(error))
        return self._slots.park(
            lease, reason=ParkReason.DEFERRED, delay=_STORE_DELAY, may_be_open=False, took=timedelta()
        )[1]

    def _read(self, lease: Lease, record: ChunkRecord) -> StagedChunk:
        epoch, _, rest = lease.chunk.partition("-")
        number = int(rest.partition(".")[0])
        return read_chunk(self._objects, self._sealer, lease.run_id, int(epoch), number, record.location)

    def _load_facts(self, run_id: str, _epoch: str) -> RunFacts | None:
        return self._runs.facts(run_id)


def _loggable(error: SegmentExportError) -> dict[str, str]:
    facts = {"error": type(error).__name__}
    if isinstance(error, ChunkRefused):
        # what Mailchimp says of a refused chunk may quote what a profile holds
        return facts | {"code": error.code, "field": error.field}
    return facts | {"reason": str(error)}
