"""Where rounds take place: one warm system for all of them, and the hands that reach into it."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import redis

from producer.application import Producer
from tests.chaos.faulty import FaultySystem
from tests.chaos.small import CALL_DEADLINE
from worker.broker import Doorbell
from worker.exports.outcomes import ReportLine
from worker.keyring import parse_keys
from worker.settings import Settings
from worker.state.scripts import Bell
from worker.store.objects import open_store
from worker.store.reports import read_lines

T = TypeVar("T")

LEASE = 2.5
_ROOMS = ("audiences", "snapshots", "reports", "staged")
WORKERS, PROCESSES, THREADS = 2, 2, 6
_PATIENCE = 30.0


class Stage(FaultySystem):
    """Two supervised workers of two processes, with everything small and quick."""

    def __init__(self) -> None:
        super().__init__(
            workers=WORKERS,
            processes=PROCESSES,
            threads=THREADS,
            settings={
                "SEGMENT_EXPORT_LEASE": f"{LEASE}s",
                "SEGMENT_EXPORT_CALL_DEADLINE": f"{CALL_DEADLINE}s",
            },
        )
        self._boot = "tests.chaos.small:boot"

    @cached_property
    def producer(self) -> Producer:
        """A producer in this process: it is quicker than a command."""
        known = {field.validation_alias for field in Settings.model_fields.values()}
        return Producer(
            Settings.model_validate(
                {name: value for name, value in self.environment.items() if name in known}
            )
        )

    @cached_property
    def deaf_producer(self) -> Producer:
        """A producer that is killed whenever it would ring."""
        return Producer(self.producer.settings, doorbell=_Silent())

    def forget(self, audiences: Sequence[str], folder: str) -> None:
        """Takes what a round has left away: ledger, store, files, audiences, faults."""
        patiently(self.ledger.flushall)
        for place in (folder, *(str(self.folder / "store" / room) for room in _ROOMS)):
            shutil.rmtree(place, ignore_errors=True)
        self.standin.clear_faults()
        for audience in audiences:
            with suppress(KeyError):
                self.standin.audience(audience).delete()
        self.failpoints.clear()

    def report_of(self, run_id: str) -> list[ReportLine]:
        """The lines of a run's report, read here."""
        objects = open_store(self.producer.settings.store_url)
        keyring = parse_keys(self.environment["SEGMENT_EXPORT_SECRET_KEYS"])
        return list(read_lines(objects, keyring, run_id, self.runs.report_parts(run_id)))


class _Silent(Doorbell):
    def __init__(self) -> None:
        """Needs no queue."""

    def ring(self, bells: Sequence[Bell]) -> None:  # type: ignore[override]
        """Says nothing."""


def patiently(act: Callable[[], T]) -> T:
    """Does something that can be done twice, as often as it takes while Valkey is away."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return act()
        except redis.RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
