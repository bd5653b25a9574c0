"""Many refreshes of one export, as a state machine: after each, the audience is as an obvious model says."""

import copy
import math
from collections import Counter
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from tests.mailchimp_standin import MemberView, Standin
from tests.simulation import stories
from tests.simulation.driver import Weather
from tests.simulation.expected import OUT, Expected, Manner, Outcomes, Row
from tests.simulation.installation import CHUNK, SEGMENTS, Installation
from worker.exports.runs import RunDocument

OVERHEAD = 12
"""Calls of a run that depend on nobody's profile."""
RENAMING = 3
"""Calls for a segment that has another name: two look-ups, one change."""
PLANS = 3
"""So many times a run is planned anew after its planner was lost."""
NOT_THERE = ("invalid", "duplicate", "suppressed", "rejected", "failed")
PLANNING_ENDED = "Planning this run ended its worker process several times: see the workers' logs."


class Refreshes(RuleBasedStateMachine):
    """What the world may do, and what has to hold; a test gives it a place to be."""

    client: "redis.Redis"
    standin: Standin
    url: str
    folder: Path

    @initialize(dialect=st.sampled_from(["newest", "newest", "classic"]), required=st.booleans())
    def begin(self, dialect: str, required: bool) -> None:  # noqa: FBT001
        self.dialect = dialect
        self.at = Installation(
            self.client, self.url, self.standin, self.folder, dialect=dialect, required=required
        )
        self.at.driver.__enter__()
        self.audience = self.at.audience
        # who has to be told a status for everybody reads everybody's each time
        self.expected = Expected(required=required, always_whole=dialect == "classic")
        self.people = stories.customers()
        self.manner = Manner(("Loyal", "Churning"))
        self.renamed = 0
        self.known_audience = False
        self.removals_known = True
        self.at.apply(self.manner)

    def teardown(self) -> None:
        if hasattr(self, "at"):
            self.at.driver.__exit__(None, None, None)

    # --- between runs -----------------------------------------------------------------------------

    def upstream(self, changes: stories.Changes) -> None:
        """Customers join and leave segments, change, and move to other addresses."""
        for number, (what, value) in changes:
            self.people[number].change(what, value)

    def at_mailchimp(self, deeds: stories.Deeds) -> None:
        """People say no or come back, other people's tools work on the audience."""
        for address, deed in deeds:
            member = self.expected.members.get(address)
            if deed == "hasty":
                self.is_hasty(address)
            elif deed == "deleted for good":
                self.audience.delete_permanently(address)
                self.expected.members.pop(address, None)
                self.expected.gone.add(address)
            elif deed in {"tagged", "edited"}:
                self.is_changed_by_hand(address, member, deed)
            elif member is None:
                self.signs_up(address, deed)
            else:
                self.decides(member, deed)

    def is_hasty(self, address: str) -> None:
        """Somebody has signed up to a lot of lists, or that is long ago."""
        if self.dialect == "newest":
            self.expected.hasty ^= {address}
            self.audience.refuse_velocity(sorted(self.expected.hasty))

    def is_changed_by_hand(self, address: str, member: MemberView | None, deed: str) -> None:
        if member is None:
            return
        if deed == "tagged":
            member = replace(member, tags=tuple(sorted({*member.tags, "VIP"})))
        else:
            member = replace(member, merge_fields={**member.merge_fields, "CITY": "Elsewhere", "PHONE": "1"})
            self.expected.drifted.add(address)
        self.audience.seed([member])
        self.expected.members[address] = member

    def signs_up(self, address: str, deed: str) -> None:
        """Somebody signs up at Mailchimp, or was there always."""
        if address not in self.expected.gone:
            status, by = _status_and_who(deed)
            member = MemberView(address, status, {"PHONE": "5"}, ("VIP",), by)
            self.audience.seed([member])
            self.expected.members[address] = member

    def decides(self, member: MemberView, deed: str) -> None:
        """A member says no, comes back, bounces, or is archived."""
        if deed in {"pending", "transactional"} or member.status == "transactional":
            return
        status, by = _status_and_who(deed)
        self.audience.set_status(member.email_address, status, by=by or "self")  # type: ignore[arg-type] # a word of deeds
        self.expected.members[member.email_address] = replace(member, status=status, unsubscribed_by=by)

    @rule(
        mode=st.sampled_from(["mirror", "mirror", "upsert"]),
        on_leave=st.sampled_from(["untag", "untag", "archive", "nothing"]),
        status_if_new=st.sampled_from(["subscribed", "pending", "transactional"]),
    )
    def configure(self, mode: Any, on_leave: Any, status_if_new: Any) -> None:
        self.manner = changed(self.manner, mode=mode, on_leave=on_leave, status_if_new=status_if_new)
        self.at.apply(self.manner)

    @rule(number=st.integers(0, 1))
    def rename(self, number: int) -> None:
        """A segment gets another display name."""
        self.renamed += 1
        tags = list(self.manner.tags)
        tags[number] = f"{SEGMENTS[number].title()} {self.renamed}"
        self.manner = changed(self.manner, tags=tuple(tags))
        self.at.apply(self.manner)

    @precondition(lambda self: self.at.runs)
    @rule(how=st.sampled_from(["key", "manifest", "shard", "torn"]))
    def lose_snapshot(self, how: str) -> None:
        if self.at.lose_snapshot(how):
            self.expected.forget()

    @rule(days=st.sampled_from([8, 31]))
    def time_passes(self, days: int) -> None:
        self.at.driver.wait(timedelta(days=days))

    # --- runs -------------------------------------------------------------------------------------

    @rule(changes=stories.CHANGES, deeds=stories.DEEDS, full=st.integers(0, 5), weather=stories.CALMS)
    def export(self, changes: stories.Changes, deeds: stories.Deeds, full: int, weather: Weather) -> None:
        """A run in good weather does exactly what it should, in as few calls as it may."""
        self.upstream(changes)
        self.at_mailchimp(deeds)
        self.expected = copy.deepcopy(self.expected)
        outcomes = self.expected.run(self.tables(), self.manner_of(full), self.at.driver.clock.now)
        run = self.at.refresh(self.tables(), weather, full=not full)
        self.assert_settled(run, outcomes, calm=True)
        assert run.status == ("partial" if run.profiles["rejected"] else "successful"), run.error
        self.assert_few_calls(outcomes)
        self.known_audience = bool(outcomes.sent) or self.known_audience

    @precondition(lambda self: self.at.runs)
    @rule(changes=stories.CHANGES, deeds=stories.DEEDS, weather=stories.CALMS)
    def export_twice(self, changes: stories.Changes, deeds: stories.Deeds, weather: Weather) -> None:
        """The second of two runs has nothing to do, and calls nobody to do it."""
        self.export(changes, deeds, 1, weather)
        self.export([], [], 1, weather)
        assert not [call for call in self.at.calls() if not call.startswith("GET")]

    @rule(
        changes=stories.CHANGES,
        deeds=stories.DEEDS,
        full=st.integers(0, 5),
        weather=stories.STORMS,
        faults=stories.FAULTS,
        cancel=st.sampled_from([0] * 5 + [40, 80, 130]),
    )
    def export_in_bad_weather(
        self,
        *,
        changes: stories.Changes,
        deeds: stories.Deeds,
        full: int,
        weather: Weather,
        faults: list[stories.Fault],
        cancel: int,
    ) -> None:
        """Whatever happens meanwhile: a run that comes to its end has done what it should."""
        self.upstream(changes)
        self.at_mailchimp(deeds)
        before = self.expected
        self.expected = copy.deepcopy(before)
        outcomes = self.expected.run(self.tables(), self.manner_of(full), self.at.driver.clock.now)
        for action, when in faults:
            self.standin.add_fault(action, **when)
        run = self.at.refresh(self.tables(), weather, full=not full, cancel=cancel)
        self.standin.clear_faults()
        event(f"bad weather: {run.status}")
        # from here on only the export knows whom exactly it has tagged
        self.known_audience = self.removals_known = False
        if run.status in {"successful", "partial"} and not run.profiles["failed"] and not run.chunks.failed:
            self.assert_settled(run, outcomes, calm=False)
            return
        self.assert_may_end_so(run, canceled=bool(cancel))
        self.assert_accounted(run)
        self.expected.break_off(
            before,
            self.audience.members(),
            whole_at=self.at.whole_at(),
            names=self.at.tags_remembered(),
            remembered=self.at.remembers(run.run_id),
        )
        self.assert_left_alone(before)

    # --- what has to hold -------------------------------------------------------------------------

    def assert_settled(self, run: RunDocument, outcomes: Outcomes, *, calm: bool) -> None:
        """Audience, consent and balance are what they should be after a run that came to its end."""
        self.expected.settle(self.audience.members())
        self.assert_accounted(run)
        self.assert_no_status_changed()
        assert run.resubscribed == 0
        found, wanted = Counter(run.profiles), outcomes.profiles
        for names in outcomes.told_apart(calm=calm):
            more = sum(found[name] for name in names) - sum(wanted[name] for name in names)
            assert 0 <= more <= (wanted["either"] if {"taken", "refused"} & {*names} else 0), (names, wanted)
        if calm and self.removals_known and not outcomes.vague:
            assert run.removed == outcomes.removed, (run.removed, outcomes.removed)

    def assert_may_end_so(self, run: RunDocument, *, canceled: bool) -> None:
        """A run that did not come to its end says why; nothing of this weather stops one for good."""
        if run.status == "canceled":
            assert canceled
        elif run.status == "failed":
            assert run.error == PLANNING_ENDED
            assert self.at.driver.lost_planners >= PLANS, self.at.driver.story
        else:
            assert run.status == "partial"

    def assert_accounted(self, run: RunDocument) -> None:
        """Outcomes add up, each profile that is not there is in the report, nothing staged stays behind."""
        outcomes = Counter({name: count for name, count in run.profiles.items() if name != "read"})
        assert outcomes.total() == run.profiles["read"]
        not_there = Counter({name: outcomes[name] for name in NOT_THERE if outcomes[name]})
        reported, is_cut = self.at.reported(run.run_id)
        assert reported <= not_there if is_cut else reported == not_there, (reported, not_there)
        assert not is_cut or run.error, "only a run that broke off may leave somebody out of its report"
        assert self.at.is_tidy()

    def assert_no_status_changed(self) -> None:
        by_us = self.at.new_status_changes()
        assert all(change.after == "archived" and change.before not in OUT for change in by_us), by_us
        assert self.audience.resubscribed == 0

    def assert_left_alone(self, before: Expected) -> None:
        """Nobody who was out is touched, but that a tag of theirs may have another name."""
        self.assert_no_status_changed()
        for address, member in before.members.items():
            if member.status in OUT:
                assert replace(self.expected.members[address], tags=()) == replace(member, tags=())

    def assert_few_calls(self, outcomes: Outcomes) -> None:
        calls = sum(self.at.calls().values())
        # who left is cut into chunks tag by tag, and one person may lose them all
        removals = math.ceil(outcomes.removed / CHUNK) + (len(SEGMENTS) - 1 if outcomes.removed else 0)
        chunks = math.ceil(outcomes.sent / CHUNK) + removals
        event(f"calls beside chunks: {calls - chunks}")
        if self.known_audience and self.dialect == "newest" and self.manner.on_leave == "untag":
            assert calls <= chunks + OVERHEAD + RENAMING * outcomes.renamed, self.at.calls()

    # --- helpers ----------------------------------------------------------------------------------

    def manner_of(self, full: int) -> Manner:
        """As configured; a run of six sends everything."""
        return changed(self.manner, full=not full)

    def tables(self) -> list[list[Row]]:
        return [[p.row for p in self.people if number in p.segments] for number in range(len(SEGMENTS))]


def _status_and_who(deed: str) -> tuple[str, str]:
    status = deed.split(" ", maxsplit=1)[0]
    if status != "unsubscribed":
        return status, ""
    return status, "admin" if "by" in deed.split() else "self"
