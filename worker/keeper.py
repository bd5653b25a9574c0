"""A thread of each worker process that renews what the process holds, and watches over it."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Final

import redis
import structlog

from worker.broker import Doorbell
from worker.jobs.holding import Holding
from worker.state.presence import Presence
from worker.state.runs import Runs
from worker.state.slots import Slots

log = structlog.get_logger()

_TICK: Final = 1.0
_RENEW_AT_LEAST: Final = 3.0


class Keeper:
    """Renews leases, keeps the broker's heartbeat, and ends a process that is orphaned or stuck.

    The heartbeat has to be our own: Dramatiq's is a side effect of fetching, which a busy worker does not do.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        runs: Runs,
        presence: Presence,
        holding: Holding,
        doorbell: Doorbell,
        lease: timedelta,
        stuck_after: timedelta,
        end_process: Callable[[], None] | None = None,
    ) -> None:
        self._slots = slots
        self._runs = runs
        self._presence = presence
        self._holding = holding
        self._doorbell = doorbell
        self._renew_every = min(_RENEW_AT_LEAST, lease.total_seconds() / 4)
        self._stuck_after = stuck_after.total_seconds()
        self._end_process = end_process or _kill_self
        self._parent = os.getppid()
        self._stop = Event()
        self._thread = Thread(target=self._loop, name="keeper", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread; what is held is left to lapse."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        renewed = 0.0
        while not self._stop.wait(_TICK):
            self._watch()
            if time.monotonic() - renewed < self._renew_every:
                continue
            try:
                self.renew()
                renewed = time.monotonic()
            except redis.RedisError as error:
                log.warning("keeper.redis", error=type(error).__name__)
            except Exception:
                # without renewals, calls that are open would be taken for lost
                log.exception("keeper.bug")

    def renew(self) -> None:
        """Says once that everything held is still worked on."""
        holdings = self._holding.now()
        self._slots.renew_calls(holdings.calls)
        self._runs.renew(holdings.claims)
        self._presence.seen()
        self._doorbell.heartbeat()

    def _watch(self) -> None:
        if os.getppid() != self._parent:
            log.error("process.orphaned")
            self._end_process()
        if self._holding.now().oldest_call > self._stuck_after:
            log.critical("process.stuck", hint="a call outlived its deadline; the supervisor starts anew")
            self._end_process()


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
