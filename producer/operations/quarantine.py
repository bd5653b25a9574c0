"""Whom Mailchimp refused for good: personal data."""

from producer.desk import Desk, operation
from producer.operations.changing import check_touch, found
from producer.operations.documents import InQuarantine
from worker.exports.definitions import Export


@operation
def list_quarantine(desk: Desk, export: str) -> list[InQuarantine]:
    """Who is in the quarantine of an export, who is let out first at the head."""
    from producer.quarantine import in_quarantine  # noqa: PLC0415 (slow, and few ask)

    _check(desk, export)
    return [
        InQuarantine(email=each.email, code=each.code, message=each.message, until=each.until)
        for each in in_quarantine(desk.producer, export)
    ]


@operation
def clear_quarantine(desk: Desk, export: str, address: str | None = None) -> int:
    """Empties the quarantine of an export, or lets one address out; tells how many people that were."""
    from producer.quarantine import let_out  # noqa: PLC0415

    _check(desk, export)
    count = let_out(desk.producer, export, address)
    if count:
        desk.record("clear_quarantine", f"export {export}", after={"let_out": count})
    return count


def _check(desk: Desk, export: str) -> None:
    definitions = desk.producer.catalog.everything()
    check_touch(desk, definitions, [found(definitions, Export, export)])
