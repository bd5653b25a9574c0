"""What this process holds in the ledger just now, so that somebody can renew it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from worker.state.runs import FinishClaim, PlanClaim
from worker.state.slots import Lease

Held: TypeAlias = Lease | PlanClaim | FinishClaim


@dataclass(frozen=True, slots=True)
class Holdings:
    """A moment's view: open calls, claims on runs, and since when the oldest call is open (seconds)."""

    calls: list[Lease]
    claims: list[PlanClaim | FinishClaim]
    oldest_call: float


class Holding:
    """A registry shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[Held, float] = {}

    @contextmanager
    def keep(self, held: Held) -> Iterator[None]:
        """Holds a lease or claim for as long as the block runs."""
        with self._lock:
            self._held[held] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._held[held]

    def now(self) -> Holdings:
        """What is held at this moment."""
        with self._lock:
            held = dict(self._held)
        calls = {lease: since for lease, since in held.items() if isinstance(lease, Lease)}
        claims = [claim for claim in held if not isinstance(claim, Lease)]
        oldest = min(calls.values(), default=time.monotonic())
        return Holdings(list(calls), claims, time.monotonic() - oldest)
