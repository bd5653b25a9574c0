"""A configuration file, applied as a whole."""

from pathlib import Path

from producer.applying import Applied, apply
from producer.desk import Desk, operation
from producer.operations.changing import recorder
from worker.errors import UsageError


@operation
def apply_catalog(desk: Desk, file: Path, content: bytes | None = None) -> Applied:
    """Saves what a file declares, or nothing if anything is wrong with it.

    `content` is what stands in it, for a caller who is not at this machine; `file` is its name for messages.
    Only for who is here are references tried: what they lead to is nobody else's business.

    Raises:
        CatalogRefused: something is wrong with it; all of it is told.
    """
    producer = desk.producer
    if content is None and not desk.caller.here:
        raise UsageError("No file was sent: send what is to be applied.")
    applied = apply(
        file,
        producer.catalog,
        producer.keyring,
        content=content,
        try_references=desk.caller.here,
        beside=recorder(desk, "apply_catalog"),
    )
    for change in applied.changes:
        if change.kind == "connection" and change.what == "added":
            producer.slots.admit(change.name)
    return applied
