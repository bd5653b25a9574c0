"""Plans a run: read, compare with what is known, then stage what must be sent while uploads begin."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import structlog

from worker.errors import RetryLater, SegmentExportError
from worker.exports.attributes import MergeField
from worker.exports.canarying import choose_canary, everybody_but
from worker.exports.chunks import StagedChunk
from worker.exports.definitions import Connection, Export, Segment, tag
from worker.exports.delta import LEFT, Standing, hold_against, leavers
from worker.exports.guard import Change, objection
from worker.exports.planning import PlanSettings, Survey, stage, survey
from worker.exports.removals import archive_chunks, tag_chunks, untag_chunks, without_a_tag
from worker.exports.statuses import kept_out
from worker.jobs.accounts import Accounts, NoSlot
from worker.jobs.consent import Consent
from worker.jobs.holding import Holding
from worker.jobs.memory import Memory, Previous, full_is_due
from worker.jobs.stager import CANARY, REMOVALS, UPLOADS, Stager, VoidPlan
from worker.mailchimp.client import MailchimpClient
from worker.sources import open_segment
from worker.state.audiences import Audiences, Manners
from worker.state.catalog import Catalog
from worker.state.runs import PlanClaim, RunFacts, Runs, TooManyPlans
from worker.state.scripts import Bell
from worker.store.objects import Objects, Sealer
from worker.store.packs import drop_staged

log = structlog.get_logger()

_TRIES: Final = 3
_DELAY: Final = timedelta(seconds=15)
_NO_SLOT_DELAY: Final = timedelta(seconds=2)
# what is supposed of an audience until its canary has shown how it is
_NEWEST: Final = Manners(status_if_new=True, tags=True)


@dataclass(frozen=True)
class _Plan:
    """What a plan knows before it stages anything."""

    claim: PlanClaim
    export: Export
    connection: Connection
    found: Survey
    left: pl.DataFrame
    previous: Previous | None
    manners: Manners | None
    full: bool

    @property
    def version(self) -> str:
        return f"{self.claim.run_id}-{self.claim.epoch}"


class PlanJob:
    """The job behind an `export_segment` message."""

    def __init__(
        self,
        *,
        runs: Runs,
        catalog: Catalog,
        audiences: Audiences,
        accounts: Accounts,
        consent: Consent,
        memory: Memory,
        holding: Holding,
        objects: Objects,
        sealer: Sealer,
        ring: Callable[[list[Bell]], None],
    ) -> None:
        self._runs = runs
        self._catalog = catalog
        self._audiences = audiences
        self._accounts = accounts
        self._consent = consent
        self._memory = memory
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
        except NoSlot as error:
            log.info("plan.waits", reason=str(error))
            self._runs.defer(claim, delay=_NO_SLOT_DELAY)
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
        with ExitStack() as stack:
            tables = [
                stack.enter_context(open_segment(each.name, each.source, facts.trigger.refresh_id))
                for each in segments
            ]
            manners = self._audiences.manners(connection.name, export.audience_id)
            settings = plan_settings(export, segments, manners or _NEWEST)
            surveyed = survey(tables, settings, self._fields(claim, export, connection))
            plan = self._compare(
                claim,
                facts,
                export=export,
                connection=connection,
                surveyed=surveyed,
                manners=manners,
            )
            self._check_guard(plan, approved=facts.approved)
            self._note(plan)
            self._rename_tags(plan)
            self._stage(plan)

    def _fields(self, claim: PlanClaim, export: Export, connection: Connection) -> Sequence[MergeField]:
        """The audience's merge fields; that the audience exists is found out on the way."""

        def ask(client: MailchimpClient) -> Sequence[MergeField]:
            return client.merge_fields(export.audience_id)

        return self._accounts.call(connection, claim.run_id, ask)

    def _compare(
        self,
        claim: PlanClaim,
        facts: RunFacts,
        *,
        export: Export,
        connection: Connection,
        surveyed: Survey,
        manners: Manners | None,
    ) -> _Plan:
        """Holds what was read against what is known of the audience, and of the last run."""
        now = datetime.now(UTC)
        current = self._runs.snapshot(export.name)
        previous = self._memory.previous(export, current, surveyed.settings.tags)
        self._memory.drop_others(export.name, than=[current])
        full = facts.full or full_is_due(previous, export.full_every, now)
        everybody = manners is not None and not manners.status_if_new
        statuses = self._consent.statuses(connection, export.audience_id, claim.run_id, everybody=everybody)
        standing = Standing(
            accepted=previous.rows if previous else None,
            statuses=statuses,
            out=kept_out(statuses),
            refused=previous.refused(now) if previous else None,
            full=full,
        )
        found = hold_against(surveyed, standing)
        removes = export.mode == "mirror" and export.on_leave != "nothing"
        left = leavers(found, standing) if removes else pl.DataFrame(schema=LEFT)
        return _Plan(claim, export, connection, found, left, previous, manners, full or previous is None)

    def _check_guard(self, plan: _Plan, *, approved: bool) -> None:
        if approved:
            return
        change = Change(
            members=plan.previous.manifest.members if plan.previous else None,
            added=self._added(plan),
            removed=plan.left.height,
            contacts=self._contacts(plan),
            contacts_limit=plan.connection.max_contacts,
        )
        sentence = objection(change, plan.export.guard).replace("RUN", plan.claim.run_id)
        if sentence:
            self._note(plan)
            log.warning("run.held", reason=sentence)
            self._runs.hold(plan.claim, sentence)
            raise VoidPlan

    def _added(self, plan: _Plan) -> int:
        sent = everybody_but(plan.found, None)
        if plan.previous is None:
            return sent.height
        return sent.join(plan.previous.rows, on="address_hash", how="anti").height

    def _contacts(self, plan: _Plan) -> int | None:
        if plan.connection.max_contacts is None:
            return None

        def ask(client: MailchimpClient) -> int | None:
            return client.account().contacts

        return self._accounts.call(plan.connection, plan.claim.run_id, ask)

    def _note(self, plan: _Plan) -> None:
        counts = plan.found.counts()
        noted = self._runs.survey(
            plan.claim,
            connection=plan.connection.name,
            max_connections=plan.connection.max_connections,
            audience_id=plan.export.audience_id,
            segments=plan.export.segments,
            counts=counts
            | {
                "skip_required": int(plan.export.skip_required),
                "status_for_all": int(plan.found.settings.status_for_all),
            },
        )
        log.info("plan.surveyed", **counts, left=plan.left.height, full=plan.full)
        if not noted:
            self._ring(self._runs.abort(plan.claim, status="canceled", sentence=""))
            raise VoidPlan

    def _rename_tags(self, plan: _Plan) -> None:
        """A segment that was renamed takes its tag along; where the new name is taken, the old tag stays."""
        for old, new in plan.previous.renamed.items() if plan.previous else ():

            def move(client: MailchimpClient, old: str = old, new: str = new) -> None:
                tag_id = client.find_tag(plan.export.audience_id, old)
                if tag_id is not None and client.find_tag(plan.export.audience_id, new) is None:
                    client.rename_tag(plan.export.audience_id, tag_id, new)

            self._accounts.call(plan.connection, plan.claim.run_id, move)

    def _stage(self, plan: _Plan) -> None:
        writer = self._memory.writer(plan.export.name, plan.version)
        apart = plan.manners is not None and not plan.manners.tags
        stager = Stager(
            plan.claim,
            runs=self._runs,
            objects=self._objects,
            sealer=self._sealer,
            ring=self._ring,
            snapshot=writer,
            keep_sent=apart,
        )
        found = plan.found
        if plan.manners is None and found.counts()["to_send"]:
            canary, found = choose_canary(found)
            # the rest tells its report lines; the canary's own pass is for its members only
            stager.stage((item for item in stage(canary) if not isinstance(item, list)), phase=CANARY)
        stager.stage(stage(found, stager.next_number), phase=UPLOADS)
        if plan.previous is not None:
            self._memory.carry(plan.previous, writer, plan.found, plan.left)
        stager.stage(self._removals(plan, stager), phase=REMOVALS)
        if apart:
            stager.stage(self._tags(plan, stager), phase=REMOVALS)
        self._memory.draft(
            writer,
            plan.export,
            plan.version,
            tags=plan.found.settings.tags,
            previous=plan.previous,
            full=plan.full,
        )
        stager.seal()
        log.info("plan.sealed")

    def _removals(self, plan: _Plan, stager: Stager) -> Iterator[StagedChunk]:
        if plan.previous is None or not plan.left.height:
            return
        left = self._memory.addresses(plan.previous, plan.left)
        if plan.export.on_leave == "archive":
            yield from archive_chunks(left, stager.next_number)
            left = left.filter(~pl.col("gone"))
        tag_ids = self._tag_ids(plan, left)
        untagged = without_a_tag(left, tag_ids)
        if untagged:
            self._runs.count_removed(plan.claim, untagged)
        yield from untag_chunks(left, tag_ids, stager.next_number)

    def _tag_ids(self, plan: _Plan, left: pl.DataFrame) -> dict[int, int]:
        """Mailchimp's ids of the tags that somebody loses, by bit; a tag that is gone has none."""
        lost: int = left.select(pl.col("lost").bitwise_or().fill_null(0)).item() if left.height else 0
        found = {}
        for bit, name in enumerate(plan.found.settings.tags):
            if not lost >> bit & 1:
                continue

            def ask(client: MailchimpClient, name: str = name) -> int | None:
                return client.find_tag(plan.export.audience_id, name)

            tag_id = self._accounts.call(plan.connection, plan.claim.run_id, ask)
            if tag_id is not None:
                found[bit] = tag_id
        return found

    def _tags(self, plan: _Plan, stager: Stager) -> Iterator[StagedChunk]:
        """Tags in calls of their own, for an audience whose batch call does not set them."""
        for bit, name in enumerate(plan.found.settings.tags):

            def ask(client: MailchimpClient, name: str = name) -> int:
                found = client.find_tag(plan.export.audience_id, name)
                return client.create_tag(plan.export.audience_id, name) if found is None else found

            tag_id = self._accounts.call(plan.connection, plan.claim.run_id, ask)
            yield from tag_chunks(stager.sent, bit, tag_id, stager.next_number)


def plan_settings(export: Export, segments: Sequence[Segment], manners: Manners) -> PlanSettings:
    """How the profiles of an export become members of its audience."""
    return PlanSettings(
        email=export.email,
        attributes=export.attributes,
        status_if_new=export.status_if_new,
        tags=tuple(tag(export, segment) for segment in segments),
        max_profiles=export.max_profiles,
        on_null=export.on_null,
        on_bad_value=export.on_bad_value,
        status_for_all=not manners.status_if_new,
        tags_in_call=manners.tags,
    )
