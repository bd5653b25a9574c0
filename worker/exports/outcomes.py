"""The balance sheet: what became of every profile."""

from enum import StrEnum
from typing import Final

import msgspec


class Outcome(StrEnum):
    """Each profile read ends in exactly one of these."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    FAILED = "failed"


RETRIED: Final = frozenset({Outcome.REJECTED, Outcome.FAILED})
"""Whom a retry sends again."""


class ReportLine(msgspec.Struct, frozen=True, array_like=True):
    """One profile that was not created, updated or unchanged, and why.

    `row` is the 1-based number of the profile among the data rows of its segment's source.
    `code` is ours or Mailchimp's word for the reason, `field` the column or merge field to blame.
    """

    segment: str
    row: int
    email: str
    outcome: str
    code: str
    field: str
    message: str
