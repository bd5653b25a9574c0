"""Forget a person: out of snapshots, reports, quarantine, and what was read of audiences.

What can't be reached is not ours: sources, and Mailchimp's own data. Staged data goes with its run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from producer.application import Producer
from worker.errors import RetryLater, SegmentExportError, UsageError
from worker.exports.membership import identity
from worker.exports.runs import HELD, new_run_id
from worker.store import snapshots
from worker.store.forgetting import copy_without, forget_in_audience, forget_in_report
from worker.store.interface import MissingObject

_LONGEST: Final = 254


@dataclass
class Forgotten:
    """Where somebody was and is no more, and where they may still be.

    `busy` are exports with a run under way, which may hold and write what it read before; `unreadable` are
    sentences about what could not be looked into.
    """

    snapshots: int = 0
    reports: int = 0
    audiences: int = 0
    busy: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)


def forget(producer: Producer, address: str) -> Forgotten:
    """Take a person out of everything that is stored, except where a run is under way; it may be repeated.

    Raises:
        UsageError: that is no address.
        RetryLater: the store can't be reached for the moment.
    """
    person = identity(address)
    if "@" not in person or len(person) > _LONGEST or not person.isprintable():
        raise UsageError("That is not an e-mail address: give one, as it stands in the source.")
    work = _Forgetting(producer, person)
    work.forget()
    return work.done


class _Forgetting:
    def __init__(self, producer: Producer, person: str) -> None:
        self._producer = producer
        self._objects, self._keyring = producer.objects, producer.keyring
        self._person = person
        self._active = _under_way(producer)
        self.done = Forgotten(busy=set(self._active.values()))

    def forget(self) -> None:
        self.done.audiences = sum(self._try(self._audience, *names) for names in self._stored("audiences"))
        exports = {export for export, _ in self._stored("snapshots")} - self.done.busy
        self.done.snapshots = sum(self._try(self._snapshot, export) for export in sorted(exports))
        parts = [(run_id, name) for run_id, name in self._stored("reports") if run_id not in self._active]
        self.done.reports = sum(self._try(self._part, *names) for names in parts)

    def _try(self, forget_in: Callable[..., bool], *names: str) -> bool:
        """Goes on with the rest where something can't be looked into."""
        try:
            return forget_in(*names)
        except MissingObject:
            return False  # it has expired, or was replaced, just now
        except RetryLater:
            raise
        except SegmentExportError as error:
            self.done.unreadable.append(str(error))
            return False

    def _stored(self, room: str) -> list[tuple[str, str]]:
        """The names of what is stored there: two steps of a path."""
        paths = (stored.path.split("/", 2) for stored in self._objects.list(room))
        return sorted((first, second) for _, first, second in paths)

    def _audience(self, connection: str, audience_id: str) -> bool:
        return forget_in_audience(self._objects, self._keyring, connection, audience_id, self._person)

    def _part(self, run_id: str, name: str) -> bool:
        return forget_in_report(self._objects, self._keyring, run_id, name, self._person)

    def _snapshot(self, export: str) -> bool:
        """Replace the snapshot that counts by a copy without the person, and delete all others."""
        version, copy = self._producer.runs.snapshot(export), None
        if version:
            manifest = snapshots.read_manifest(self._objects, self._keyring, export, version)
            made = f"{new_run_id(datetime.now(UTC))}-0"
            copy = copy_without(self._objects, self._keyring, manifest, self._person, made)
        if copy and not self._producer.runs.replace_snapshot(export, version, copy.version):
            self.done.busy.add(export)
            return False
        self._drop_others(export)
        return copy is not None

    def _drop_others(self, export: str) -> None:
        """Delete what does not count: drafts of runs that broke off, and what was copied."""
        # in this order: what is listed is of a run that was there before the active ones are read
        found = snapshots.versions(self._objects, export) + snapshots.unfinished_versions(
            self._objects, export
        )
        active = _under_way(self._producer)
        counts = snapshots.plan_of(self._producer.runs.snapshot(export))
        for version in found:
            if version != counts and version.rpartition("-")[0] not in active:
                snapshots.drop_snapshot(self._objects, export, version)


def _under_way(producer: Producer) -> dict[str, str]:
    """The runs that are at work or will be without a person, and their exports."""
    facts = {run_id: producer.runs.facts(run_id) for run_id in producer.runs.active()}
    return {run_id: run.export for run_id, run in facts.items() if run and run.status != HELD}
