"""Whom Mailchimp refused for good: personal data."""

from producer.desk import Desk, operation
from worker.exports.quarantine import Quarantined


@operation
def list_quarantine(desk: Desk, export: str) -> list[Quarantined]:
    """Who is in the quarantine of an export, who is let out first at the head."""
    raise NotImplementedError


@operation
def clear_quarantine(desk: Desk, export: str, address: str | None = None) -> int:
    """Empties the quarantine of an export, or lets one address out; tells how many people that were."""
    raise NotImplementedError
