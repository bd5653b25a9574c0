"""What a run would do: an export's segments held against its audience and against its last run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from worker.exports.attributes import MergeField
from worker.exports.canarying import everybody_but
from worker.exports.definitions import Connection, Export, Segment, tag
from worker.exports.delta import LEFT, Standing, hold_against, leavers
from worker.exports.guard import Change
from worker.exports.hashes import from_bytes
from worker.exports.mapping import lacking_fields
from worker.exports.moves import find_moves, hold_those_out, with_old_statuses
from worker.exports.planning import PlanSettings, Survey, Table, survey
from worker.exports.statuses import CODES, kept_out
from worker.jobs.accounts import Accounts
from worker.jobs.consent import Consent
from worker.jobs.memory import Memory, Previous, full_is_due
from worker.mailchimp.client import MailchimpClient
from worker.state.audiences import Audiences, Manners
from worker.state.runs import Runs
from worker.store.audiences import STATUSES

# what is supposed of an audience until its canary has shown how it is
_NEWEST: Final = Manners(status_if_new=True, tags=True)


@dataclass(frozen=True)
class Wish:
    """What is asked of a comparison, beside its export.

    `run_id` is whose calls are counted, '' for nobody's. `asked`: only these addresses (hashes); None for
    everybody. `full`: also what has not changed. `dry`: nothing is remembered of it.
    """

    run_id: str = ""
    full: bool = False
    asked: pl.Series | None = None
    dry: bool = False


@dataclass(frozen=True)
class Compared:
    """What is known before anything is staged. `new_fields` are merge fields that the audience lacks."""

    export: Export
    connection: Connection
    found: Survey
    left: pl.DataFrame
    moves: pl.DataFrame
    previous: Previous | None
    manners: Manners | None
    full: bool
    new_fields: Sequence[MergeField]
    retried: bool

    @property
    def removes(self) -> bool:
        """Whether who leaves a segment loses its tag."""
        return _removes(self.export)

    @property
    def added(self) -> pl.DataFrame:
        """Who would be sent and was not accepted before, as rows of the survey with their number as `row`."""
        sent = everybody_but(self.found, None)
        return sent if self.previous is None else sent.join(self.previous.rows, on="address_hash", how="anti")


class Comparing:
    """Reads and compares; changes nothing but what is remembered of the audience's consent."""

    def __init__(
        self, *, runs: Runs, audiences: Audiences, accounts: Accounts, consent: Consent, memory: Memory
    ) -> None:
        self._runs = runs
        self._audiences = audiences
        self._accounts = accounts
        self._consent = consent
        self._memory = memory

    def compare(
        self,
        export: Export,
        connection: Connection,
        segments: Sequence[Segment],
        tables: Sequence[Table],
        wish: Wish,
    ) -> Compared:
        """Reads the open tables of an export's segments and holds them against what is known.

        Raises:
            RetryLater: Mailchimp or the store can't be asked for the moment.
            StopRun: the export can't be run.
        """
        manners = self._audiences.manners(connection.name, export.audience_id)
        settings = plan_settings(export, segments, manners or _NEWEST)
        fields = self._fields(export, connection, wish)
        new = lacking_fields(settings, fields, tables) if export.create_merge_fields else []
        surveyed = survey(tables, settings, [*fields, *new])
        now = datetime.now(UTC)
        previous = self._memory.previous(export, self._runs.snapshot(export.name), settings.tags)
        is_full = wish.full or full_is_due(previous, export.full_every, now)
        full = is_full and wish.asked is None
        standing = self._standing(export, connection, wish, previous=previous, manners=manners, full=full)
        found = hold_against(surveyed, standing)
        found, moves = hold_those_out(found, find_moves(found, standing.accepted), standing.out)
        if settings.status_for_all and standing.statuses is not None:
            found = with_old_statuses(found, moves, standing.statuses)
        return Compared(
            export=export,
            connection=connection,
            found=found,
            left=_left(export, found, standing, moves),
            moves=moves,
            previous=previous,
            manners=manners,
            full=full or previous is None,
            new_fields=new,
            retried=wish.asked is not None,
        )

    def change(self, compared: Compared, run_id: str) -> Change:
        """What the guard is asked about. The profiles of a retry have passed it once."""
        manifest = compared.previous.manifest if compared.previous and not compared.retried else None
        # a run that was cut short has accepted few of those it meant to: they are no sudden growth
        meant = from_bytes(manifest.excluded if manifest else b"")
        return Change(
            members=manifest.members + meant.len() if manifest else None,
            added=compared.added.filter(~pl.col("address_hash").is_in(meant.implode())).height,
            removed=compared.left.filter(~pl.col("moved")).height,
            contacts=self._contacts(compared.connection, run_id),
            contacts_limit=compared.connection.max_contacts,
        )

    def _standing(
        self,
        export: Export,
        connection: Connection,
        wish: Wish,
        *,
        previous: Previous | None,
        manners: Manners | None,
        full: bool,
    ) -> Standing:
        statuses = self._consent.statuses(
            connection,
            export.audience_id,
            wish.run_id,
            everybody=manners is not None and not manners.status_if_new and not wish.dry,
            remember=not wish.dry,
        )
        return Standing(
            accepted=previous.rows if previous else None,
            statuses=statuses,
            out=kept_out(statuses),
            refused=previous.refused(datetime.now(UTC)) if previous else None,
            asked=wish.asked,
            full=full,
        )

    def _fields(self, export: Export, connection: Connection, wish: Wish) -> Sequence[MergeField]:
        """The audience's merge fields; that the audience exists is found out on the way."""

        def ask(client: MailchimpClient) -> Sequence[MergeField]:
            return client.merge_fields(export.audience_id)

        return self._accounts.call(connection, wish.run_id, ask)

    def _contacts(self, connection: Connection, run_id: str) -> int | None:
        if connection.max_contacts is None:
            return None

        def ask(client: MailchimpClient) -> int | None:
            return client.account().contacts

        return self._accounts.call(connection, run_id, ask)


def _removes(export: Export) -> bool:
    return export.mode == "mirror" and export.on_leave != "nothing"


def _left(export: Export, found: Survey, standing: Standing, moves: pl.DataFrame) -> pl.DataFrame:
    """Who has left: `moved` go on under another address, `unconfirmed` can't be archived."""
    left = leavers(found, standing) if _removes(export) else pl.DataFrame(schema=LEFT)
    known = pl.DataFrame(schema=STATUSES) if standing.statuses is None else standing.statuses
    pending = known.filter(pl.col("status") == CODES["pending"])["address_hash"]
    return left.with_columns(
        moved=pl.col("address_hash").is_in(moves["old_hash"].implode()),
        unconfirmed=pl.col("address_hash").is_in(pending.implode()),
    )


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
        key=export.key,
        skip_required=export.skip_required,
        status_for_all=not manners.status_if_new,
        tags_in_call=manners.tags,
    )
