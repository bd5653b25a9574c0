"""Plans a run: read, compare with what is known, then stage what must be sent while uploads begin."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl
import structlog

from worker.errors import RetryLater, SegmentExportError
from worker.exports.attributes import MergeField
from worker.exports.canarying import choose_canary, everybody_but, only_these
from worker.exports.chunks import StagedChunk
from worker.exports.guard import objection
from worker.exports.planning import stage
from worker.exports.removals import archive_chunks, move_chunks, tag_chunks, untag_chunks, without_a_tag
from worker.exports.runs import Trigger
from worker.jobs.accounts import Accounts, NoSlot
from worker.jobs.comparing import Compared, Comparing, Wish
from worker.jobs.consent import Consent
from worker.jobs.holding import Holding
from worker.jobs.memory import Memory
from worker.jobs.retrying import asked_again
from worker.jobs.stager import CANARY, MOVES, REMOVALS, UPLOADS, Stager, VoidPlan
from worker.mailchimp.client import MailchimpClient
from worker.sources import open_segment
from worker.state.audiences import Audiences
from worker.state.catalog import Catalog
from worker.state.run_records import RunFacts
from worker.state.runs import PlanClaim, Runs, TooManyPlans
from worker.state.scripts import Bell
from worker.store.objects import Objects, Sealer
from worker.store.packs import drop_staged

log = structlog.get_logger()

_TRIES: Final = 3
_DELAY: Final = timedelta(seconds=15)
_NO_SLOT_DELAY: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class _Plan(Compared):
    """What a plan knows before it stages anything."""

    claim: PlanClaim

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
        source_roots: Sequence[Path] = (),
    ) -> None:
        self._runs = runs
        self._catalog = catalog
        self._accounts = accounts
        self._memory = memory
        self._holding = holding
        self._objects = objects
        self._sealer = sealer
        self._ring = ring
        self._source_roots = source_roots
        self._comparing = Comparing(
            runs=runs, audiences=audiences, accounts=accounts, consent=consent, memory=memory
        )

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
        refresh_id = facts.trigger.refresh_id
        with ExitStack() as stack:
            tables = [
                stack.enter_context(open_segment(each.name, each.source, refresh_id, self._source_roots))
                for each in segments
            ]
            wish = Wish(claim.run_id, full=facts.full, asked=self._asked(facts.trigger))
            compared = self._comparing.compare(export, connection, segments, tables, wish)
            active = self._runs.active()
            self._memory.drop_dead(export.name, active=active, counts=self._runs.snapshot(export.name))
            plan = _Plan(**vars(compared), claim=claim)
            self._check_guard(plan, approved=facts.approved)
            self._note(plan)
            self._create_fields(plan)
            self._rename_tags(plan)
            self._stage(plan)

    def _asked(self, trigger: Trigger) -> pl.Series | None:
        """Whom a retry asks for; None if everybody is asked for."""
        if not trigger.retries:
            return None
        parts = self._runs.report_parts(trigger.retries)
        return asked_again(self._objects, self._sealer, trigger.retries, parts)

    def _check_guard(self, plan: _Plan, *, approved: bool) -> None:
        if approved:
            return
        change = self._comparing.change(plan, plan.claim.run_id)
        sentence = objection(change, plan.export.guard).replace("RUN", plan.claim.run_id)
        if sentence:
            self._note(plan)
            log.warning("run.held", reason=sentence)
            self._ring(self._runs.hold(plan.claim, sentence)[1])
            raise VoidPlan

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
            lint=plan.found.lint(),
        )
        log.info("plan.surveyed", **counts, left=plan.left.height, full=plan.full)
        if not noted:
            self._ring(self._runs.abort(plan.claim, status="canceled", sentence=""))
            raise VoidPlan

    def _create_fields(self, plan: _Plan) -> None:
        for field in plan.new_fields:

            def create(client: MailchimpClient, field: MergeField = field) -> MergeField:
                return client.create_merge_field(plan.export.audience_id, field)

            self._accounts.call(plan.connection, plan.claim.run_id, create)
            log.info("merge_field.created", tag=field.tag, type=field.type)

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
            tagged=plan.previous.rows if plan.previous and (plan.retried or not plan.removes) else None,
            keep_sent=apart,
        )
        found = plan.found
        if plan.manners is None and found.counts()["to_send"]:
            canary, found = choose_canary(found, plan.moves["address_hash"])
            # the rest tells its report lines; the canary's own pass is for its members only
            stager.stage((item for item in stage(canary) if not isinstance(item, list)), phase=CANARY)
        stager.stage(self._moves(plan, stager), phase=MOVES)
        stager.stage(stage(found, stager.next_number), phase=UPLOADS)
        if plan.previous is not None:
            self._memory.carry(
                plan.previous, writer, found=plan.found, removed=plan.left, moved=plan.moves["old_hash"]
            )
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
            sent=everybody_but(plan.found, None)["address_hash"],
        )
        stager.seal()
        log.info("plan.sealed")

    def _moves(self, plan: _Plan, stager: Stager) -> Iterator[StagedChunk]:
        """Members whose person has another address now; a pass of its own finds what it is."""
        if plan.previous is None or not plan.moves.height:
            return
        frames = stage(only_these(plan.found, plan.moves["address_hash"]))
        new = pl.concat(frame for frame in frames if isinstance(frame, pl.DataFrame))
        new = new.select(new_hash="address_hash", new="email")
        moves = plan.moves.select(new_hash="address_hash", address_hash="old_hash")
        pairs = self._memory.addresses(plan.previous, moves).join(new, on="new_hash")
        yield from move_chunks(pairs.select("email", "new").rows(), stager.next_number)

    def _removals(self, plan: _Plan, stager: Stager) -> Iterator[StagedChunk]:
        if plan.previous is None or not plan.left.height:
            return
        left = self._memory.addresses(plan.previous, plan.left)
        if plan.export.on_leave == "archive":
            yield from archive_chunks(left.filter(~pl.col("unconfirmed")), stager.next_number)
            left = left.filter(~pl.col("gone") | pl.col("unconfirmed"))
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
