"""A system whose processes can be made to fail at a named moment, and are started again when they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.chaos.boot import QUICK, VERSION
from tests.chaos.failpoints import VARIABLE, Failpoints
from tests.system import ROOT, System, wait_until
from worker.state import keys

# a lease is over, and noticed, within two seconds
LEASE = 1.5
SETTINGS = {
    "SEGMENT_EXPORT_LEASE": f"{LEASE}s",
    "SEGMENT_EXPORT_CALL_DEADLINE": "4s",
    "SEGMENT_EXPORT_VELOCITY_DELAY": "1s",
    QUICK: "1",
}


@dataclass(frozen=True)
class Ended:
    """A worker's main process that ended by itself, and when."""

    pid: int
    status: int
    at: float


class FaultySystem(System):
    """A system with failpoints and supervised workers."""

    def __init__(self, *, settings: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(boot="tests.chaos.boot:boot", settings={**SETTINGS, **(settings or {})}, **more)
        self.failpoints = Failpoints(self.folder / "failpoints")
        self.ended: list[Ended] = []
        self._version: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {VARIABLE: str(self.folder / "failpoints")} | self._version

    def reset(self) -> None:
        """As for any system, with no failpoint armed."""
        self.failpoints.clear()
        self.ended.clear()
        super().reset()

    def kill_worker(self, worker: "subprocess.Popen[bytes]") -> None:
        """As for any system; the supervisor does not start it again."""
        self.workers.remove(worker)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Starts each worker again that ends, as a process manager would."""
        over = Event()
        supervisor = Thread(target=self._supervise, args=(over,), daemon=True)
        supervisor.start()
        try:
            yield
        finally:
            over.set()
            supervisor.join()

    @contextmanager
    def versioned(self, version: int) -> Iterator[None]:
        """Starts workers and commands of another release: their messages carry its version."""
        self._version = {VERSION: str(version)}
        try:
            yield
        finally:
            self._version = {}

    def command_under_test(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs `segment-export` with failpoints; it may be killed."""
        return subprocess.run(
            [sys.executable, "-m", "tests.chaos.boot", *arguments],
            cwd=ROOT,
            env=self.environment,
            text=True,
            check=False,
            capture_output=True,
        )

    def children(self, worker: "subprocess.Popen[bytes]") -> list[int]:
        """The worker processes of a worker: those that do the work."""
        listed = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def wait_for_workers(
        self, processes: int = 1, *, since: float | None = None, timeout: float = 30.0
    ) -> None:
        """Waits until so many worker processes have said that they live, since a time (or now)."""
        began = round((since or time.time()) * 1000)
        wait_until(
            lambda: self.ledger.zcount(keys.WORKERS, began, "+inf") >= processes,
            f"{processes} worker processes have said that they live",
            timeout,
        )

    def start_valkey(self) -> None:
        """Starts the Valkey again, where it was."""
        self.valkey.start()

    def _supervise(self, over: Event) -> None:
        while not over.wait(0.1):
            for worker in list(self.workers):
                status = worker.poll()
                if status is not None and worker in self.workers:
                    self.ended.append(Ended(worker.pid, status, time.time()))
                    self.workers.remove(worker)
                    self.start_worker()
