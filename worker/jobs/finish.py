"""Finishes a run: the report of what was not delivered, the final state, the staged data away."""

from collections.abc import Callable, Iterator

import structlog

from worker.errors import SegmentExportError
from worker.exports.failures import SENTENCES
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.reporting import lines_of_failures
from worker.jobs.holding import Holding
from worker.state.runs import FailedChunk, FinishClaim, Runs
from worker.state.scripts import Bell
from worker.store.objects import MissingObject, Objects, Sealer
from worker.store.packs import drop_staged, read_chunk
from worker.store.reports import write_part

log = structlog.get_logger()


class FinishJob:
    """The job behind a `finish_run` message."""

    def __init__(
        self,
        *,
        runs: Runs,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
        ring: Callable[[list[Bell]], None],
    ) -> None:
        self._runs = runs
        self._holding = holding
        self._objects = objects
        self._sealer = sealer
        self._ring = ring

    def run(self, run_id: str) -> None:
        """Finishes the run, if nobody else does, and tidies up behind it."""
        claim = self._runs.claim_finish(run_id)
        if claim is not None:
            with self._holding.keep(claim):
                self._finish(claim)
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

    def _finish(self, claim: FinishClaim) -> None:
        try:
            parts = [self._report(claim, name, chunk) for name, chunk in self._failed(claim)]
        except SegmentExportError as error:
            log.error("store.trouble", reason=str(error))
            return  # the claim lapses, and the sweeper rings again
        status, bells = self._runs.finish(claim, parts)
        if status:
            document = self._runs.document(claim.run_id)
            log.info("run.finished", status=status, **document.profiles, error=document.error)
        self._ring(bells)

    def _failed(self, claim: FinishClaim) -> Iterator[tuple[str, FailedChunk]]:
        return iter(self._runs.failed_chunks(claim.run_id).items())

    def _report(self, claim: FinishClaim, name: str, failed: FailedChunk) -> str:
        part = f"failed-{name}"
        write_part(self._objects, self._sealer, claim.run_id, part, self._lines(claim, name, failed))
        return part

    def _lines(self, claim: FinishClaim, name: str, failed: FailedChunk) -> list[ReportLine]:
        facts = self._runs.facts(claim.run_id)
        segments = facts.segments if facts else ()
        epoch, _, rest = name.partition("-")
        message = SENTENCES[failed.reason]
        try:
            chunk = read_chunk(
                self._objects,
                self._sealer,
                claim.run_id,
                int(epoch),
                int(rest.partition(".")[0]),
                failed.location,
            )
        except MissingObject:
            return [ReportLine("", 0, "", Outcome.FAILED, failed.reason, "", message)]
        positions = range(chunk.count) if failed.members is None else failed.members
        return lines_of_failures(chunk, segments, positions, code=failed.reason, message=message)
