"""Customers who don't exist: seeded, with the faults of real tables, and the members they should become."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
from faker import Faker

from tests.mailchimp_standin.reports import MemberView

LOCALES = ("en_US", "de_DE", "fr_FR", "pl_PL", "ja_JP", "ar_AA")
DOMAINS = ("nordpost.example", "mail.lumen.example", "briefkasten.example", "bücher.example", "inbox.example")
MALFORMED = (
    "",
    "not an address",
    "two@@signs.example",
    "spaces in@inbox.example",
    ".dot@inbox.example",
    "no-domain@",
)
REFUSED_DOMAIN = "example.com"  # Mailchimp refuses addresses that look made up
ATTRIBUTES = {
    "FNAME": "first_name",
    "LNAME": "last_name",
    "PHONE": "phone",
    "CITY": "city",
    "VISITS": "visits",
}


@dataclass(frozen=True)
class Shape:
    """How many of the profiles have which fault."""

    malformed: float = 0.01
    duplicate: float = 0.02
    refused: int = 12


@dataclass(frozen=True)
class Segments:
    """Two overlapping segments of one customer table, in the export's order."""

    loyal: pl.DataFrame
    churning: pl.DataFrame
    malformed: frozenset[str]

    def write(self, folder: Path) -> None:
        """Writes them as Parquet, named as the demo's catalog expects."""
        folder.mkdir(parents=True, exist_ok=True)
        self.loyal.write_parquet(folder / "loyal-customers.parquet")
        self.churning.write_parquet(folder / "churn-risk.parquet")

    @property
    def rows(self) -> int:
        """Profiles over both segments."""
        return self.loyal.height + self.churning.height


def customers(count: int, seed: int = 7, shape: Shape | None = None) -> pl.DataFrame:
    """A customer table of nine columns."""
    shape = shape or Shape()
    rng = random.Random(seed)
    first, last, cities = _names(seed)
    firsts, lasts = rng.choices(first, k=count), rng.choices(last, k=count)
    emails = [f"customer.{n}@{domain}" for n, domain in enumerate(rng.choices(DOMAINS, k=count))]
    _spoil(emails, rng, shape)
    return pl.DataFrame(
        {
            "customer_id": pl.Series(range(count)),
            "email": emails,
            "first_name": firsts,
            "last_name": lasts,
            "phone": pl.Series(rng.choices(range(10**8, 10**9), k=count)).cast(pl.String),
            "city": rng.choices(cities, k=count),
            "visits": pl.Series(rng.choices(range(500), k=count)),
            "churn_score": pl.Series([rng.random() for _ in range(count)]),
            "last_order": pl.Series(rng.choices(["2026-09-30", "2026-10-31", None], k=count)).str.to_date(),
        }
    )


def _spoil(emails: list[str], rng: random.Random, shape: Shape) -> None:
    count = len(emails)
    for at in rng.sample(range(1, count), int(count * shape.duplicate)):
        emails[at] = f"  {emails[rng.randrange(at)].title()} "
    for at in rng.sample(range(count), int(count * shape.malformed)):
        emails[at] = rng.choice(MALFORMED)
    for at in rng.sample(range(count), shape.refused):
        emails[at] = f"customer.{at}@{REFUSED_DOMAIN}"


@cache
def _names(seed: int) -> tuple[list[str], list[str], list[str]]:
    first, last, cities = [], [], []
    for locale in LOCALES:
        fake = Faker(locale)
        fake.seed_instance(seed)
        first += [fake.first_name() for _ in range(100)]
        last += [fake.last_name() for _ in range(100)]
        cities += [fake.city() for _ in range(50)]
    return first, last, cities


def split(table: pl.DataFrame) -> Segments:
    """Segments that overlap in a quarter of the customers."""
    count = table.height
    loyal, churning = table[: int(count * 0.7)], table[int(count * 0.45) :]
    return Segments(loyal, churning, frozenset(MALFORMED))


def segments(profiles: int, seed: int = 7, shape: Shape | None = None) -> Segments:
    """Two segments of together about `profiles` rows."""
    return split(customers(int(profiles / 1.25), seed, shape))


def expected_members(made: Segments, tags: tuple[str, str]) -> Iterator[MemberView]:
    """The members that the audience should hold, worked out the slow and obvious way."""
    holders: dict[str, list[str]] = {}
    first: dict[str, dict[str, object]] = {}
    for tag, table in zip(tags, (made.loyal, made.churning), strict=True):
        for row in table.iter_rows(named=True):
            address = row["email"].strip().lower()
            if row["email"].strip() in made.malformed or address.endswith(f"@{REFUSED_DOMAIN}"):
                continue
            first.setdefault(address, row)
            if tag not in holders.setdefault(address, []):
                holders[address].append(tag)
    for address, row in first.items():
        values = {tag: row[column] for tag, column in ATTRIBUTES.items()}
        yield MemberView(address, "subscribed", values, tuple(sorted(holders[address])))  # type: ignore[arg-type]
