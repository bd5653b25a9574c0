"""The statuses that a member can have, and which of them keep us from writing."""

from collections.abc import Iterable
from typing import Final

import polars as pl
import polars_hash as plh

from worker.exports.delta import OUT, Why
from worker.exports.membership import identity

UNKNOWN: Final = 0
SUBSCRIBED: Final = "subscribed"
CODES: Final = {
    "unsubscribed": 1,
    "cleaned": 2,
    "archived": 3,
    "pending": 4,
    "transactional": 5,
    SUBSCRIBED: 6,
}
NAMES: Final = {code: name for name, code in CODES.items()}
OTHERS: Final = tuple(name for name in CODES if name != SUBSCRIBED)
"""Whoever is not subscribed has one of these."""
KEPT_OUT: Final = {"unsubscribed": Why.UNSUBSCRIBED, "cleaned": Why.CLEANED, "archived": Why.ARCHIVED}
"""Nobody with one of these is written to."""


def status_frame(members: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """Addresses and statuses as `address_hash` and `status` (a code)."""
    pairs = list(members)
    codes = pl.Series("status", [CODES.get(status, UNKNOWN) for _, status in pairs], dtype=pl.UInt8)
    return hash_of(identity(address) for address, _ in pairs).to_frame().with_columns(codes)


def hash_of(addresses: Iterable[str]) -> pl.Series:
    """The address hashes of clean addresses."""
    frame = pl.DataFrame({"email": list(addresses)}, {"email": pl.String})
    return frame.select(plh.col("email").nchash.xxh3_128().alias("address_hash")).to_series()


def kept_out(statuses: pl.DataFrame) -> pl.DataFrame:
    """Who is not to be written to, with the reason, of those whose status is known."""
    codes = [CODES[name] for name in KEPT_OUT]
    reasons = [int(why) for why in KEPT_OUT.values()]
    out = statuses.filter(pl.col("status").is_in(codes))
    why = out["status"].replace_strict(codes, reasons, return_dtype=pl.UInt8).alias("why")
    return out.select("address_hash").with_columns(why).select(list(OUT))
