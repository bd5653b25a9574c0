"""Customers who come, change, move between segments and leave; and what an audience should make of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from tests.catalogs import TAGS
from tests.chaos.schedule import Target
from tests.mailchimp_standin.reports import MemberView
from tests.profiles import ATTRIBUTES, MALFORMED, REFUSED_DOMAIN, Segments, Shape, customers

FOREIGN_TAG = "VIP"
_SHAPE = Shape(malformed=0.01, duplicate=0.02, refused=3)
_RESERVE = 0.3
_STATUSES = ("unsubscribed", "cleaned", "archived", "pending", "transactional", "subscribed")
_OUT = frozenset(_STATUSES[:3])
_NAMES = 4  # names are slow to make up: there are so many sets of them


@dataclass
class Population:
    """The customer table of one export, changed step by step.

    Of a step's changes, each happens to a row once, so whatever stages of a step are exported, the last
    one decides. `settled` are addresses that nothing happens to any more.
    """

    target: Target
    rng: random.Random
    settled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Makes the table, and those up who come later."""
        count = int(self.target.customers * (1 + _RESERVE))
        table = customers(count, seed=self.rng.randrange(_NAMES), shape=_SHAPE)
        chance = [self.rng.random() for _ in range(count)]
        table = table.with_columns(
            address=pl.col("email").str.strip_chars().str.to_lowercase(),
            loyal=pl.Series([at < 0.7 for at in chance]),
            churning=pl.Series([at > 0.45 for at in chance]),
        )
        alone = table["address"].is_unique() & ~table["email"].str.strip_chars().is_in(MALFORMED)
        self._plain = set(
            table.filter(alone & ~table["address"].str.ends_with(REFUSED_DOMAIN))["address"].to_list()
        )
        self.table, self._reserve = table[: self.target.customers], table[self.target.customers :]

    def movable(self) -> list[str]:
        """Addresses of the table that something may happen to, shuffled."""
        found = [each for each in self.table["address"] if each in self._plain and each not in self.settled]
        self.rng.shuffle(found)
        return found

    def advance(self, stages: int) -> list[Segments]:
        """A step's changes, in so many stages."""
        some = self.movable()
        few = max(stages, len(some) // 40)
        leavers, changed, moved = some[:few], some[few : 3 * few], some[3 * few : 4 * few]
        joining = self._reserve[: 2 * few]
        self._reserve = self._reserve[2 * few :]
        made = []
        for stage in range(stages):
            self._change(*(each[stage::stages] for each in (leavers, changed, moved)))
            self.table = pl.concat([self.table, joining[stage::stages]])
            made.append(self.segments())
        return made

    def segments(self) -> Segments:
        """The two segments as they are."""
        return Segments(
            self.table.filter("loyal"), self.table.filter("churning"), malformed=frozenset(MALFORMED)
        )

    def _change(self, leavers: Sequence[str], changed: Sequence[str], moved: Sequence[str]) -> None:
        city = pl.when(pl.col("address").is_in(changed)).then(pl.lit("Elsewhere")).otherwise("city")
        moves = pl.col("address").is_in(moved)
        bumped = pl.when(pl.col("address").is_in(changed)).then(pl.col("visits") + 1_000).otherwise("visits")
        self.table = self.table.filter(~pl.col("address").is_in(leavers)).with_columns(
            city=city,
            visits=bumped,
            # from one segment to the other, or from both to the first
            loyal=pl.when(moves).then("churning").otherwise("loyal"),
            churning=pl.when(moves).then(pl.col("loyal") & ~pl.col("churning")).otherwise("churning"),
        )


@dataclass
class Expected:
    """What the audience should hold, worked out the slow and obvious way.

    `out` are those who said no; `lately` those of them who did so during the step: nobody knows whether its
    runs have noticed.
    """

    target: Target
    members: dict[str, MemberView] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)
    lately: set[str] = field(default_factory=set)
    _ours: set[str] = field(default_factory=set)

    def seeds(self, population: Population) -> list[MemberView]:
        """Members who are there before us, some of whom said no."""
        some = population.movable()[:36]
        views = [
            MemberView(
                address,
                _STATUSES[at % 6],
                {},
                (FOREIGN_TAG,),
                unsubscribed_by="admin" if at % 12 == 0 else "self",
            )
            for at, address in enumerate(some)
        ]
        self.members = {view.email_address: view for view in views}
        self.out = {view.email_address for view in views if view.status in _OUT}
        population.settled |= self.out
        return views

    def unsubscribe(self, address: str, *, during: bool) -> None:
        """The person clicks on the link; what is known of them stays as it is."""
        before = self.members[address]
        self.members[address] = MemberView(address, "unsubscribed", before.merge_fields, before.tags, "self")
        self.out.add(address)
        if during:
            self.lately.add(address)

    def unsubscribable(self, population: Population) -> list[str]:
        """Who may do so: subscribed members whom nothing else happens to."""
        return [
            each
            for each in population.movable()
            if each in self.members and self.members[each].status == "subscribed"
        ]

    def deliver(self, made: Segments) -> None:
        """A run has delivered these segments."""
        now = dict(wanted(made))
        for address, (values, tags) in now.items():
            if address in self.out:
                continue
            before = self.members.get(address)
            kept = set(before.tags) if before else set()
            if self.target.mode == "mirror":
                kept -= set(TAGS)
            status = before.status if before else "subscribed"
            self.members[address] = MemberView(address, status, values, tuple(sorted(kept | tags)))  # type: ignore[arg-type]  # values of a table
            self._ours.add(address)
        for address in self._ours - now.keys():
            before = self.members[address]
            if self.target.mode == "mirror":
                left = tuple(tag for tag in before.tags if tag not in TAGS)
                self.members[address] = MemberView(address, before.status, before.merge_fields, left)
            self._ours.discard(address)


def wanted(made: Segments) -> Iterator[tuple[str, tuple[dict[str, object], set[str]]]]:
    """Everybody whom Mailchimp would take, with values and tags: of several rows the first one counts."""
    holders: dict[str, set[str]] = {}
    first: dict[str, dict[str, object]] = {}
    for tag, table in zip(TAGS, (made.loyal, made.churning), strict=True):
        for row in table.iter_rows(named=True):
            if row["email"].strip() in made.malformed or row["address"].endswith(f"@{REFUSED_DOMAIN}"):
                continue
            first.setdefault(row["address"], row)
            holders.setdefault(row["address"], set()).add(tag)
    for address, row in first.items():
        yield address, ({tag: row[column] for tag, column in ATTRIBUTES.items()}, holders[address])


@dataclass(frozen=True)
class Rows:
    """What becomes of the rows that Mailchimp never sees, and who of the others is refused."""

    read: int
    invalid: int
    duplicate: int
    refused: frozenset[str]


def rows_of(made: Segments) -> Rows:
    """Counts them."""
    both = pl.concat([made.loyal, made.churning])
    invalid = both["email"].str.strip_chars().is_in(list(made.malformed))
    valid = both.filter(~invalid)["address"]
    return Rows(
        read=both.height,
        invalid=int(invalid.sum()),
        duplicate=valid.len() - valid.n_unique(),
        refused=frozenset(each for each in valid if each.endswith(f"@{REFUSED_DOMAIN}")),
    )


def write(made: Segments, folder: Path) -> None:
    """Writes the two files, without the columns that are ours."""
    ours = ("address", "loyal", "churning")
    Segments(made.loyal.drop(ours), made.churning.drop(ours), made.malformed).write(folder)
