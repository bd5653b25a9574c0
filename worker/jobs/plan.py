"""Plans a run: read and compare, then stage what must be sent, chunk by chunk, while uploads begin."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import repeat
from typing import Final

import structlog

from worker.errors import RetryLater, SegmentExportError
from worker.exports.attributes import MergeField
from worker.exports.chunks import StagedChunk
from worker.exports.definitions import Connection, Export, Segment, tag
from worker.exports.outcomes import ReportLine
from worker.exports.planning import PlanSettings, Survey, stage, survey
from worker.jobs.accounts import Accounts
from worker.jobs.holding import Holding
from worker.mailchimp.client import MailchimpClient
from worker.sources import open_segment
from worker.state.catalog import Catalog
from worker.state.runs import PlanClaim, RunFacts, Runs, TooManyPlans
from worker.state.scripts import Bell
from worker.store.objects import Objects, Sealer
from worker.store.packs import PartWriter, drop_staged
from worker.store.reports import write_part

log = structlog.get_logger()

_TRIES: Final = 3
_DELAY: Final = timedelta(seconds=15)


class VoidPlan(Exception):
    """Another plan has taken over, or the run was stopped: nothing more is to be done here."""


class PlanJob:
    """The job behind an `export_segment` message."""

    def __init__(
        self,
        *,
        runs: Runs,
        catalog: Catalog,
        accounts: Accounts,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
        ring: Callable[[list[Bell]], None],
    ) -> None:
        self._runs = runs
        self._catalog = catalog
        self._accounts = accounts
        self._holding = holding
        self._objects = objects
        self._sealer = sealer
        self._ring = ring

    def run(self, run_id: str) -> None:
        """Plans the run, if nobody else does."""
        try:
            claim = self._runs.claim_plan(run_id, tries=_TRIES)
        except TooManyPlans:
            sentence = "Planning this run ended its worker process several times: see the workers' logs."
            self._ring(self._runs.stop(run_id, status="failed", sentence=sentence)[1])
            return
        facts = self._runs.facts(run_id)
        if claim is None or facts is None:
            log.info("plan.stale")
            return
        with self._holding.keep(claim):
            self._plan(claim, facts)

    def _plan(self, claim: PlanClaim, facts: RunFacts) -> None:
        try:
            self._read_and_stage(claim, facts)
        except VoidPlan:
            log.info("plan.void")
            self._leave_nothing_behind(claim)
        except RetryLater as error:
            log.warning("plan.deferred", reason=str(error))
            self._runs.defer(claim, delay=_DELAY)
        except SegmentExportError as error:
            log.warning("plan.refused", reason=str(error))
            self._ring(self._runs.abort(claim, status="failed", sentence=str(error)))

    def _leave_nothing_behind(self, claim: PlanClaim) -> None:
        # what an active run has staged belongs to its newer plan; an ended run may have been tidied already
        if claim.run_id not in self._runs.active():
            drop_staged(self._objects, claim.run_id)

    def _read_and_stage(self, claim: PlanClaim, facts: RunFacts) -> None:
        export, connection, segments = self._catalog.export_bundle(facts.export)
        fields = self._audience_fields(claim, export, connection)
        with ExitStack() as stack:
            tables = [
                stack.enter_context(open_segment(each.name, each.source, facts.trigger.refresh_id))
                for each in segments
            ]
            found = survey(tables, _plan_settings(export, segments), fields)
            self._note(claim, export, connection, found)
            self._stage(claim, stage(found))

    def _audience_fields(
        self, claim: PlanClaim, export: Export, connection: Connection
    ) -> Sequence[MergeField]:
        """The audience's merge fields; that the audience exists is found out on the way."""

        def ask(client: MailchimpClient) -> Sequence[MergeField]:
            return client.merge_fields(export.audience_id)

        return self._accounts.call(connection, claim.run_id, ask)

    def _note(self, claim: PlanClaim, export: Export, connection: Connection, found: Survey) -> None:
        noted = self._runs.survey(
            claim,
            connection=connection.name,
            max_connections=connection.max_connections,
            audience_id=export.audience_id,
            segments=export.segments,
            counts=found.counts(),
        )
        log.info("plan.surveyed", **found.counts())
        if not noted:
            self._ring(self._runs.abort(claim, status="canceled", sentence=""))
            raise VoidPlan

    def _stage(self, claim: PlanClaim, items: Iterable[StagedChunk | list[ReportLine]]) -> None:
        writer = PartWriter(self._objects, self._sealer, claim.run_id, claim.epoch)
        sizes = _part_sizes()
        waiting, size, reports = 0, next(sizes), list[str]()
        for item in items:
            if isinstance(item, list):
                reports.append(f"plan-{claim.epoch}-{len(reports):05d}")
                write_part(self._objects, self._sealer, claim.run_id, reports[-1], item)
                continue
            writer.add(item)
            waiting += 1
            if waiting == size:
                self._offer(claim, writer)
                waiting, size = 0, next(sizes)
        self._offer(claim, writer)
        self._ring(_valid(self._runs.seal(claim, reports)))
        log.info("plan.sealed")

    def _offer(self, claim: PlanClaim, writer: PartWriter) -> None:
        committed = writer.commit()
        if committed:
            chunks = [(f"{claim.epoch}-{number:06d}", count, at) for number, count, at in committed]
            self._ring(_valid(self._runs.offer(claim, chunks)))


def _part_sizes() -> Iterator[int]:
    """Small parts first, so that uploads begin at once; larger ones then, so that objects are few."""
    yield from (4, 8, 16)
    yield from repeat(32)


def _valid(answer: tuple[bool, list[Bell]]) -> list[Bell]:
    still_ours, bells = answer
    if not still_ours:
        raise VoidPlan
    return bells


def _plan_settings(export: Export, segments: Sequence[Segment]) -> PlanSettings:
    return PlanSettings(
        email=export.email,
        attributes=export.attributes,
        status_if_new=export.status_if_new,
        tags=tuple(tag(export, segment) for segment in segments),
        max_profiles=export.max_profiles,
        on_null=export.on_null,
        on_bad_value=export.on_bad_value,
    )
