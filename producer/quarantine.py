"""Who is in an export's quarantine, and how they get out of it before their time."""

from datetime import UTC, datetime

import msgspec

from producer.application import Producer
from worker.errors import UsageError
from worker.exports.definitions import Export
from worker.exports.membership import identity
from worker.exports.quarantine import Quarantined
from worker.store.interface import MissingObject
from worker.store.snapshots import Manifest, commit, read_manifest


def in_quarantine(producer: Producer, name: str) -> list[Quarantined]:
    """Who is not sent for now, who is let out first at the head.

    Raises:
        UsageError: there is no export of that name.
        UnreadableSnapshot: what the export remembers can't be read.
    """
    manifest = _manifest(producer, producer.catalog.export(name))
    return sorted(_waiting(manifest), key=lambda each: (each.until, each.email)) if manifest else []


def let_out(producer: Producer, name: str, address: str | None = None) -> int:
    """Empties the quarantine of an export, or lets one address out; tells how many people that were.

    A run takes the quarantine over when it is planned and writes its own in the end, so nobody is let out
    while one is under way.

    Raises:
        UsageError: there is no such export or address, or a run of the export is under way.
        UnreadableSnapshot: what the export remembers can't be read.
    """
    export = producer.catalog.export(name)
    _check_idle(producer, name)
    manifest = _manifest(producer, export)
    if manifest is None:
        return _nobody(name, address)
    waiting = _waiting(manifest)
    kept = [] if address is None else [each for each in waiting if identity(each.email) != identity(address)]
    if len(kept) == len(waiting):
        return _nobody(name, address)
    cleared = msgspec.structs.replace(manifest, quarantine=tuple(kept))
    commit(producer.objects, producer.keyring, cleared)
    _check_idle(producer, name, since=manifest.version)
    return len(waiting) - len(kept)


def _waiting(manifest: Manifest) -> list[Quarantined]:
    now = datetime.now(UTC)
    return [each for each in manifest.quarantine if datetime.fromisoformat(each.until) > now]


def _manifest(producer: Producer, export: Export) -> Manifest | None:
    """What the export remembers; None if it remembers nothing of its audience."""
    version = producer.runs.snapshot(export.name)
    if not version:
        return None
    try:
        found = read_manifest(producer.objects, producer.keyring, export.name, version)
    except MissingObject:
        return None
    return found if found.audience_id == export.audience_id else None


def _check_idle(producer: Producer, name: str, *, since: str | None = None) -> None:
    active = producer.runs.active_of(name)
    if active:
        raise UsageError(
            f"Run {active} of export {name} is under way and would bring its quarantine back: "
            "clear it when the run has ended."
        )
    if since is not None and producer.runs.snapshot(name) != since:
        raise UsageError(f"A run of export {name} has ended meanwhile: clear its quarantine again.")


def _nobody(name: str, address: str | None) -> int:
    if address is None:
        return 0
    raise UsageError(
        f"That address is not in the quarantine of export {name}: "
        f"see `segment-export quarantine list {name}`."
    )
