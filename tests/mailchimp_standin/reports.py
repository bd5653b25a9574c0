"""What the stand-in tells those who ask it afterwards; all of it can travel as JSON."""

import hashlib
from collections import Counter
from collections.abc import Iterable

import msgspec

from .shapes import MergeValue


class MemberView(msgspec.Struct, frozen=True):
    """A member as a test compares it: only merge fields with a value, tags by name in order.

    `unsubscribed_by` is "self", "admin" (which the API counts as) or "".
    """

    email_address: str
    status: str
    merge_fields: dict[str, MergeValue] = {}
    tags: tuple[str, ...] = ()
    unsubscribed_by: str = ""


class StatusChange(msgspec.Struct, frozen=True):
    """A change of the status of somebody who was a member already.

    `at` in seconds since 1970; `via` is "api", or "person" for what a test did by hand.
    """

    at: float
    email_address: str
    before: str
    after: str
    via: str


class CallRecord(msgspec.Struct, frozen=True):
    """One call. Times in seconds since 1970 by the machine's own clock.

    `open` counts the account's open calls at its arrival, itself included. `status` 0: reset.
    """

    started: float
    ended: float
    account: str
    endpoint: str
    path: str
    status: int
    open: int


class AccountStatistics(msgspec.Struct, frozen=True):
    """`calls` by endpoint (`POST /lists/{list_id}`), `statuses` by HTTP status.

    `high_water` is the most calls that were open at once, refused ones included.
    """

    open: int
    high_water: int
    calls: dict[str, int]
    statuses: dict[int, int]


class Statistics(msgspec.Struct, frozen=True):
    """The whole stand-in; `unauthorized` calls belong to no account."""

    calls: int
    unauthorized: int
    accounts: dict[str, AccountStatistics]
    resubscribed: dict[str, int]
    warnings: tuple[str, ...]


class Digest(msgspec.Struct, frozen=True):
    """An audience in one line: equal digests, equal audiences, in whatever order."""

    count: int
    statuses: dict[str, int]
    fingerprint: str


_canonical = msgspec.json.Encoder(order="sorted").encode


def digest(members: Iterable[MemberView]) -> Digest:
    """The digest that an audience of these members would have; who unsubscribed them is left out."""
    total, count, statuses = 0, 0, Counter[str]()
    for view in members:
        line = _canonical((view.email_address.lower(), view.status, view.merge_fields, sorted(view.tags)))
        total += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest())
        count += 1
        statuses[view.status] += 1
    return Digest(count, dict(statuses), f"{total % 2**128:032x}")
