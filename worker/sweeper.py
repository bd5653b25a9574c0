"""A thread of each worker process that asks the ledger what is outstanding, and rings for it again.

One process at a time has the turn; which one does not matter, and nobody has to be alive in particular.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Final

import redis
import structlog

from worker.errors import SegmentExportError
from worker.state.presence import Presence
from worker.state.runs import Runs
from worker.state.scripts import Bell
from worker.state.slots import Slots

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=1)
_TURN: Final = timedelta(milliseconds=900)
_PATIENCE: Final = timedelta(seconds=5)
_HOUR: Final = timedelta(hours=1)


class Sweeper:
    """Returns expired leases, wakes connections whose cool-down is over, and moves runs that stand still."""

    def __init__(
        self,
        *,
        slots: Slots,
        runs: Runs,
        presence: Presence,
        ring: Callable[[list[Bell]], None],
        tidy: Callable[[str], None],
        expire_reports: Callable[[datetime], None],
        forget: Callable[[str], None],
        run_deadline: timedelta,
    ) -> None:
        self._slots = slots
        self._runs = runs
        self._presence = presence
        self._ring = ring
        self._tidy = tidy
        self._expire_reports = expire_reports
        self._forget = forget
        self._run_deadline = run_deadline
        self._stop = Event()
        self._thread = Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def sweep(self) -> None:
        """Looks once at everything that is outstanding."""
        for connection in self._slots.working():
            self._ring(self._slots.grant(connection))
        for run_id in self._runs.active():
            self._ring(self._runs.tend(run_id, deadline=self._run_deadline, patience=_PATIENCE))
        for run_id in self._runs.untidy():
            self._tidy(run_id)
        for export in self._runs.removing():
            self._forget(export)
        if self._presence.takes_turn("expire", _HOUR):
            self._expire_reports(datetime.now(UTC))

    def _loop(self) -> None:
        while not self._stop.wait(_EVERY.total_seconds()):
            try:
                if self._presence.takes_turn("sweep", _TURN):
                    self.sweep()
            except redis.RedisError as error:
                log.warning("sweeper.redis", error=type(error).__name__)
            except SegmentExportError as error:
                log.error("sweeper.trouble", reason=str(error))
            except Exception:
                # whatever one run does to it, the others still need it
                log.exception("sweeper.bug")
