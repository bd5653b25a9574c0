"""Uploads one chunk: ask the ledger, send, sort the answer, settle."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

import structlog

from worker.errors import ChunkRefused, SegmentExportError
from worker.exports.chunks import Kind, StagedChunk, part_of, without
from worker.exports.failures import SENTENCES, UNANSWERED
from worker.exports.membership import identity
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.quarantine import Fate, classify
from worker.exports.reporting import lines_of_failures, lines_of_refusals, lines_of_suppressed
from worker.exports.uploading import Refusal, addresses_of, halves, narrow
from worker.exports.verdict import MAX_ATTEMPTS, GiveUp, Park, Reject, Split, Stop, decide
from worker.jobs.accounts import Accounts
from worker.jobs.canary import MOST, Canary
from worker.jobs.holding import Holding
from worker.jobs.sending import Sent, send
from worker.jobs.stager import CANARY, UPLOADS
from worker.mailchimp.errors import SendAnotherWay
from worker.state.run_records import RunFacts
from worker.state.runs import Runs
from worker.state.scripts import Bell
from worker.state.slots import Child, ChunkRecord, Lease, ParkReason, Slots
from worker.store.objects import MissingObject, Objects, Sealer
from worker.store.packs import read_chunk
from worker.store.reports import read_lines, write_part

log = structlog.get_logger()

_STORE_DELAY: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class _Upload:
    """One granted chunk while it is worked on.

    `chunk` holds the members to send, `positions` where each of them stands in the staged one.
    """

    facts: RunFacts
    lease: Lease
    record: ChunkRecord
    chunk: StagedChunk
    positions: Sequence[int]
    began: float

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
        canary: Canary,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
        velocity_delay: timedelta,
    ) -> None:
        self._velocity_delay = velocity_delay
        self._slots = slots
        self._runs = runs
        self._accounts = accounts
        self._canary = canary
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
            upload = self._begun(facts, lease, record)
        except MissingObject as error:
            log.error("chunk.lost", reason=str(error))
            return self._slots.give_up(lease, reason="staged_data_lost", may_be_open=False)[1]
        except SegmentExportError as error:
            return self._wait_for_store(lease, error)
        if record.phase == CANARY and len(upload.positions) > MOST:
            return self._send_few_first(upload)
        try:
            sent, bells = self._sent(upload)
        except SendAnotherWay as error:
            return self._send_another_way(upload, error)
        except SegmentExportError as error:
            return self._mend(upload, error)
        return bells + self._settle(upload, sent)

    def _send_few_first(self, upload: _Upload) -> list[Bell]:
        """A chunk that has to stand in for the canary: only a few of it can be looked at."""
        few, rest = upload.positions[:MOST], upload.positions[MOST:]
        children = [Child(few), Child(rest, phase=UPLOADS)]
        return self._record(upload, [], {"api_calls": -1}, children=children, attempts=upload.record.attempts)

    def _begun(self, facts: RunFacts, lease: Lease, record: ChunkRecord) -> _Upload:
        epoch, _, rest = lease.chunk.partition("-")
        number = int(rest.partition(".")[0])
        staged = read_chunk(self._objects, self._sealer, lease.run_id, int(epoch), number, record.location)
        positions: Sequence[int] = range(staged.count)
        if record.members is not None:
            positions = record.members
            staged = part_of(staged, positions, narrow(staged.body, positions))
        return _Upload(facts, lease, record, staged, positions, time.monotonic())

    def _sent(self, upload: _Upload) -> tuple[Sent, list[Bell]]:
        client, facts, bells = self._accounts.client(upload.lease.connection), upload.facts, list[Bell]()
        before = client.calls
        if upload.record.phase == CANARY:
            sent, bells = self._canary.send(client, facts, upload.chunk)
        else:
            chunk = self._of_those_taken(upload) if upload.chunk.kind == Kind.TAG else upload.chunk
            sent = send(client, facts.audience_id, chunk, skip_required=facts.skip_required)
        return replace(sent, calls=client.calls - before), bells

    def _of_those_taken(self, upload: _Upload) -> StagedChunk:
        """Without whom Mailchimp did not take in this run's uploads, which are over by now."""
        run_id = upload.lease.run_id
        parts = [name for name in self._runs.report_parts(run_id) if not name.startswith("plan-")]
        lines = read_lines(self._objects, self._sealer, run_id, parts)
        return without(upload.chunk, {identity(line.email) for line in lines})

    def _send_another_way(self, upload: _Upload, error: SendAnotherWay) -> list[Bell]:
        if upload.facts.status_for_all:
            return self._mend(upload, error)
        return self._canary.change_manners(upload.facts) + self._park(
            upload, Park(timedelta(), deferred=True)
        )

    def _settle(self, upload: _Upload, sent: Sent) -> list[Bell]:
        found, chunk, segments = sent.members, upload.chunk, upload.facts.segments
        ask_again = upload.record.attempts < MAX_ATTEMPTS
        refused, hasty = self._without_hasty(upload, found.refused)
        lines = lines_of_refusals(chunk, segments, refused)
        lines += lines_of_suppressed(chunk, segments, found.suppressed)
        if found.missing and not ask_again:
            lines += lines_of_failures(
                chunk, segments, found.missing, code=UNANSWERED, message=SENTENCES[UNANSWERED]
            )
        missing = [upload.positions[at] for at in found.missing]
        bells = self._loud(upload, sent.resubscribed)
        return bells + self._record(
            upload,
            lines,
            {
                Outcome.CREATED: found.created,
                Outcome.UPDATED: found.updated,
                Outcome.REJECTED: len(refused),
                Outcome.SUPPRESSED: len(found.suppressed),
                Outcome.FAILED: 0 if ask_again else len(missing),
                "removed": sent.removed,
                "not_moved": sent.stayed,
                "resubscribed": sent.resubscribed,
                "api_calls": sent.calls - 1,
            },
            children=[*([Child(missing)] if missing and ask_again else []), *hasty],
            attempts=upload.record.attempts + 1,
        )

    def _without_hasty(
        self, upload: _Upload, refused: Sequence[tuple[int, Refusal]]
    ) -> tuple[list[tuple[int, Refusal]], list[Child]]:
        """Who signed up to too many lists is asked again after minutes, once; then comes quarantine."""
        if upload.record.attempts:
            return list(refused), []
        hasty = {at for at, refusal in refused if classify(refusal) == Fate.VELOCITY}
        final = [each for each in refused if each[0] not in hasty]
        again = [upload.positions[at] for at in sorted(hasty)]
        return final, [Child(again, self._velocity_delay)] if again else []

    def _loud(self, upload: _Upload, resubscribed: int) -> list[Bell]:
        if not resubscribed:
            return []
        log.critical("consent.broken", resubscribed=resubscribed)
        sentence = (
            "Members' statuses were changed by an upload, which must never be: nothing more is sent; "
            "compare the audience with its history in Mailchimp before anything else is exported."
        )
        return self._runs.stop(upload.lease.run_id, status="failed", sentence=sentence)[1]

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
            case Split() if not upload.chunk.rows:
                return self._slots.give_up(lease, reason="refused", may_be_open=False)[1]
            case Split():
                parts = [Child(part) for part in halves(upload.positions)]
                return self._record(upload, [], {}, children=parts, attempts=record.attempts)
            case Reject(code, field, message):
                return self._reject(upload, code, field, message)
            case Stop(sentence):
                stopped = self._runs.stop(lease.run_id, status="failed", sentence=sentence)[1]
                return stopped + self._park(upload, Park(timedelta(), deferred=True))

    def _reject(self, upload: _Upload, code: str, field: str, message: str) -> list[Bell]:
        refusal = Refusal(addresses_of(upload.chunk.body)[0], code, message, field)
        lines = lines_of_refusals(upload.chunk, upload.facts.segments, [(0, refusal)])
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
        event = "chunk.settled" if counted else "chunk.settled_late"
        counts = {name: count for name, count in outcomes.items() if count}
        log.info(event, **counts, parts=len(children), ms=round(took / timedelta(milliseconds=1)))
        return bells

    def _wait_for_store(self, lease: Lease, error: SegmentExportError) -> list[Bell]:
        log.error("store.trouble", reason=str(error))
        return self._slots.park(
            lease, reason=ParkReason.DEFERRED, delay=_STORE_DELAY, may_be_open=False, took=timedelta()
        )[1]

    def _load_facts(self, run_id: str, _epoch: str) -> RunFacts | None:
        return self._runs.facts(run_id)


def _loggable(error: SegmentExportError) -> dict[str, str]:
    facts = {"error": type(error).__name__}
    if isinstance(error, ChunkRefused):
        # what Mailchimp says of a refused chunk may quote what a profile holds
        return facts | {"code": error.code, "field": error.field}
    return facts | {"reason": str(error)}
