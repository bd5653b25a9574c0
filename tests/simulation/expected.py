"""What an audience should hold after each run, worked out the slow and obvious way, one person at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec.structs import replace

from tests.mailchimp_standin.reports import MemberView

OUT: Final = frozenset({"unsubscribed", "cleaned", "archived"})
FAKE: Final = "@example.com"
_WHOLE_EVERY: Final = timedelta(days=7)
_QUARANTINE: Final = timedelta(days=30)
_HASTY: Final = timedelta(days=1)

_VAGUE: Final = ("taken", "refused", "either")

Fields = dict[str, Any]
Payload = tuple[tuple[tuple[str, Any], ...], tuple[str, ...], str]


@dataclass(frozen=True)
class Row:
    """A profile as a segment's file has it; `address` is clean, or None where it is no address."""

    address: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Manner:
    """The export as it is configured for a run; `tags` are those of its segments."""

    tags: tuple[str, ...]
    mode: Literal["mirror", "upsert"] = "mirror"
    on_leave: Literal["untag", "archive", "nothing"] = "untag"
    status_if_new: Literal["subscribed", "pending", "transactional"] = "subscribed"
    full: bool = False

    @property
    def removes(self) -> bool:
        return self.mode == "mirror" and self.on_leave != "nothing"


@dataclass
class Outcomes:
    """What a run should say of itself.

    Where an earlier run broke off, nobody but the export can know: such people are `taken` (created, updated
    or unchanged) or `refused` (rejected or suppressed), or `either` if that run may have refused them, or
    they were deleted for good since.
    """

    profiles: Counter[str] = field(default_factory=Counter)
    removed: int = 0
    renamed: int = 0

    @property
    def sent(self) -> int:
        """At most so many were sent."""
        return sum(self.profiles[name] for name in ("created", "updated", "rejected", *_VAGUE))

    @property
    def vague(self) -> bool:
        """Whether the balance can't be told to the single outcome."""
        return any(self.profiles[name] for name in _VAGUE)

    def told_apart(self, *, calm: bool) -> list[tuple[str, ...]]:
        """Outcomes whose sums are certain; who was created by a call without an answer is updated later."""
        always: list[tuple[str, ...]] = [("read",), ("invalid",), ("duplicate",)]
        if self.vague:
            taken, refused = (
                ("created", "updated", "unchanged", "taken"),
                ("rejected", "suppressed", "refused"),
            )
            return [*always, taken, refused]
        if not calm:
            return [*always, ("created", "updated"), ("unchanged",), ("rejected",), ("suppressed",)]
        return [*always, *((name,) for name in ("created", "updated", "unchanged", "rejected", "suppressed"))]


@dataclass
class Expected:
    """An audience, and what an export remembers of it."""

    members: dict[str, MemberView] = field(default_factory=dict)
    ours: dict[str, set[int]] = field(default_factory=dict)
    accepted: dict[str, Payload | None] = field(default_factory=dict)
    refused: dict[str, tuple[Payload, datetime]] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    vague: set[str] = field(default_factory=set)
    puzzling: set[str] = field(default_factory=set)
    drifted: set[str] = field(default_factory=set)
    either: dict[str, list[MemberView | None]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    hasty: set[str] = field(default_factory=set)
    names: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    required: bool = False
    always_whole: bool = False
    whole_at: datetime | None = None

    def run(self, tables: Sequence[Sequence[Row]], manner: Manner, now: datetime) -> Outcomes:
        """Does what a run does when nothing goes wrong."""
        self._read_consent(now)
        self._rename(manner)
        self.either.clear()
        self.sent.clear()
        self.puzzling.clear()
        outcomes = Outcomes(renamed=len(self.renamed))
        firsts, holders = self._fold(tables, outcomes)
        for address, row in firsts.items():
            outcomes.profiles[self._export(address, row, holders[address], manner, now)] += 1
        if manner.removes:
            self._take_out(holders, manner, outcomes)
        return outcomes

    def forget(self) -> None:
        """The snapshot is lost."""
        self.ours.clear()
        self.accepted.clear()
        self.refused.clear()
        self.names = ()

    # --- steps ------------------------------------------------------------------------------------

    def _read_consent(self, now: datetime) -> None:
        if self.whole_at is None or self.always_whole or now - self.whole_at > _WHOLE_EVERY:
            self.known, self.whole_at = {}, now
        for address, member in self.members.items():
            if member.status != "subscribed":
                self.known[address] = member.status
            elif self.always_whole:
                self.known.pop(address, None)

    def _rename(self, manner: Manner) -> None:
        pairs = zip(self.names, manner.tags, strict=False)
        self.renamed = {old: new for old, new in pairs if old != new}
        for old, new in self.renamed.items():
            for address, member in self.members.items():
                if old in member.tags:
                    self.members[address] = _with_tags(member, {*member.tags} - {old} | {new})
        self.names = manner.tags

    def _fold(
        self, tables: Sequence[Sequence[Row]], outcomes: Outcomes
    ) -> tuple[dict[str, Row], dict[str, set[int]]]:
        firsts: dict[str, Row] = {}
        holders: dict[str, set[int]] = {}
        for number, table in enumerate(tables):
            for row in table:
                outcomes.profiles["read"] += 1
                if row.address is None:
                    outcomes.profiles["invalid"] += 1
                    continue
                if row.address in firsts:
                    outcomes.profiles["duplicate"] += 1
                firsts.setdefault(row.address, row)
                holders.setdefault(row.address, set()).add(number)
        return firsts, holders

    def _export(self, address: str, row: Row, has: set[int], manner: Manner, now: datetime) -> str:
        payload = (tuple(sorted(row.fields.items())), _named(has, manner), manner.status_if_new)
        vague = address in self.vague
        if self.known.get(address) in OUT:
            self.accepted[address] = None
            return "suppressed"
        days = self._refuses(address, row)
        refused = self.refused.get(address)
        quarantined = refused is not None and refused[0] == payload and now < refused[1]
        if quarantined and not (vague and days is None):
            self.accepted[address] = None
            return self._refused(address) if vague else "suppressed"
        if self.accepted.get(address) == payload and not manner.full and not vague:
            return "unchanged"
        self.sent.add(address)
        if days is not None:
            self.refused[address] = (payload, now + days)
            self.accepted[address] = None
            return self._refused(address) if vague else "rejected"
        self.accepted[address] = payload
        self.ours.setdefault(address, set()).update(has)
        if not quarantined:
            self.refused.pop(address, None)
            return self._upsert(address, row, has, manner)
        # refused by a run that broke off, or not: who knows whether that is remembered
        self.either[address] = [self.members.get(address)]
        self.puzzling.add(address)
        self._upsert(address, row, has, manner)
        return "either"

    def _refused(self, address: str) -> str:
        """Whoever was taken before they were deleted is unchanged."""
        if address in self.members or address not in self.gone:
            return "refused"
        self.puzzling.add(address)
        return "either"

    def _refuses(self, address: str, row: Row) -> timedelta | None:
        """For how long Mailchimp's refusal is remembered; None if it takes this person."""
        if address not in self.members and (address in self.gone or address.endswith(FAKE)):
            return _QUARANTINE
        if address not in self.members and address in self.hasty:
            return _HASTY
        return _QUARANTINE if self.required and row.fields["FNAME"] is None else None

    def _upsert(self, address: str, row: Row, has: set[int], manner: Manner) -> str:
        was = self.members.get(address)
        now = was or MemberView(address, manner.status_if_new)
        fields = {**now.merge_fields, **row.fields}
        filled = {tag: value for tag, value in fields.items() if value is not None}
        sent = _with_tags(replace(now, merge_fields=filled), {*now.tags, *_named(has, manner)})
        self.members[address] = sent
        if address not in self.vague:
            self.drifted.discard(address)
            return "updated" if was else "created"
        if was and address in self.drifted:
            self.either.setdefault(address, []).append(was)
        return "taken"

    def _take_out(self, holders: Mapping[str, set[int]], manner: Manner, outcomes: Outcomes) -> None:
        for address, had in list(self.ours.items()):
            has = holders.get(address, set())
            status = self.known.get(address)
            if status in OUT or (not had - has and has):
                continue
            outcomes.removed += 1
            member = self.members.get(address)
            if member and address in self.unsure:
                self.either.setdefault(address, []).append(member)
            if member and not has and manner.on_leave == "archive" and status != "pending":
                self.members[address] = replace(member, status="archived", unsubscribed_by="")
            elif member:
                self.members[address] = self._without(address, member, _named(had - has, manner))
            self.ours[address] = had & has
            if not has:
                del self.ours[address]
                self.accepted.pop(address, None)

    def _without(self, address: str, member: MemberView, tags: Sequence[str]) -> MemberView:
        if address in self.either:
            others = self.either[address]
            without = [each and _with_tags(each, {*each.tags} - {*tags}) for each in others]
            self.either[address] = without + (others if address in self.unsure else [])
        return _with_tags(member, {*member.tags} - {*tags})

    def _renamed(self, member: MemberView | None) -> MemberView | None:
        return member and _with_tags(member, {self.renamed.get(tag, tag) for tag in member.tags})

    # --- where things are not as they should be ---------------------------------------------------

    def settle(self, actual: Mapping[str, MemberView]) -> None:
        """A run has come to its end: the audience is as it should be.

        Raises:
            AssertionError: it is not.
        """
        for address, alternatives in self.either.items():
            found = actual.get(address)
            if found is None and None in alternatives:
                del self.members[address]
            elif found and found in alternatives:
                self.members[address] = found
            else:
                self.drifted.discard(address)
        self.unsure &= {address for address in self.ours if self.accepted.get(address) is None}
        self.vague &= self.puzzling
        addresses = sorted(actual.keys() | self.members.keys())
        pairs = [(actual.get(address), self.members.get(address)) for address in addresses]
        others = [f"is {found}, should be {wanted}" for found, wanted in pairs if found != wanted]
        assert not others, "\n".join(others)

    def break_off(
        self,
        before: "Expected",
        actual: Mapping[str, MemberView],
        *,
        whole_at: datetime | None,
        names: tuple[str, ...],
        remembered: bool,
    ) -> None:
        """A run broke off: people are as they were, or as they should be, or half-way between.

        Raises:
            AssertionError: somebody is otherwise.
        """
        assert actual.keys() <= self.members.keys()
        for address, after in self.members.items():
            _assert_between(*map(self._renamed, (before.members.get(address), after, actual.get(address))))
            touched = after != before.members.get(address)
            if touched or self.accepted.get(address) != before.accepted.get(address):
                self.vague.add(address)
        self.vague |= self.sent | {
            address
            for address in self.refused.keys() | before.refused.keys()
            if self.refused.get(address) != before.refused.get(address)
        }
        if not remembered:
            self.ours = {}
        else:
            self._doubt(before, actual)
        for address, had in before.ours.items():
            self.ours.setdefault(address, set()).update(had)
        if whole_at != self.whole_at and whole_at == before.whole_at:
            self.known, self.whole_at = before.known, before.whole_at
        self.drifted |= before.drifted
        self.names = names
        self.members = dict(actual)

    def _doubt(self, before: "Expected", actual: Mapping[str, MemberView]) -> None:
        """Where no call can be seen perhaps none was made: tags set earlier may be forgotten."""
        for address in self.sent:
            was, now = before.members.get(address), actual.get(address)
            if self._renamed(was) != self._renamed(now):
                self.unsure.discard(address)
            elif not self.ours.get(address, set()) <= before.ours.get(address, set()):
                self.unsure.add(address)


def _assert_between(before: MemberView | None, after: MemberView | None, actual: MemberView | None) -> None:
    seen = (before, actual, after)
    assert after is not None
    if actual is None:
        assert before is None, seen
        return
    assert actual.status in {after.status, before.status if before else after.status}, seen
    was = before or replace(after, merge_fields={}, tags=())
    assert actual.merge_fields in ([was.merge_fields] if before else []) + [after.merge_fields], seen
    assert {*was.tags} & {*after.tags} <= {*actual.tags} <= {*was.tags} | {*after.tags}, seen


def _named(segments: set[int], manner: Manner) -> tuple[str, ...]:
    return tuple(manner.tags[number] for number in sorted(segments))


def _with_tags(member: MemberView, tags: set[str]) -> MemberView:
    return replace(member, tags=tuple(sorted(tags)))
