"""Workers on an odd machine: a clock that is ahead, a ledger whose time flies, a store whose disk fails.

What is odd stands in a file that the test and all processes share, and may change at any moment; only the
skew of a worker's own clock is fixed when it starts.
"""

import datetime as dt
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Self

import msgspec

from tests.system import System, wait_until
from worker import sweeper
from worker.jobs import comparing, consent, correction
from worker.main import boot as real_boot
from worker.state import keys
from worker.state.scripts import Transitions
from worker.store import folder as store

MACHINE: Final = "CHAOS_MACHINE"
SKEW: Final = "CHAOS_SKEW"
SETTINGS: Final = {
    "SEGMENT_EXPORT_LEASE": "4s",
    "SEGMENT_EXPORT_CALL_DEADLINE": "2.5s",
    "SEGMENT_EXPORT_VELOCITY_DELAY": "1s",
}


class Machine(msgspec.Struct, frozen=True):
    """How the machine is.

    The ledger's time was `ledger` when it really was `real` (seconds), and passes `pace` times as fast since.
    `disk`: each write to the store fails half-way, is refused, or takes `seconds`.
    """

    real: float = 0.0
    ledger: float = 0.0
    pace: float = 1.0
    disk: Literal["", "full", "forbidden", "slow"] = ""
    seconds: float = 0.0

    def now(self) -> float:
        """The ledger's time."""
        return self.ledger + (time.time() - self.real) * self.pace

    @property
    def is_odd(self) -> bool:
        """Whether the ledger lives by a time of its own."""
        return self.ledger != self.real or self.pace != 1


class OddSystem(System):
    """A system whose clocks and disk do what a test says."""

    def __init__(self, **more: Any) -> None:
        self._skew = 0.0
        super().__init__(boot="tests.chaos.skewed:boot", settings=SETTINGS, **more)
        self.machine = Machine()

    @property
    def environment(self) -> dict[str, str]:
        odd = {MACHINE: str(self.folder / "machine"), SKEW: str(self._skew)}
        return super().environment | odd

    def __enter__(self) -> Self:
        """A worker refuses to start on a disk that is full, so no test may begin before it has."""
        super().__enter__()
        try:
            wait_until(lambda: self.ledger.zcard(keys.WORKERS) >= self._processes, "the workers live")
        except BaseException:
            self.stop()
            raise
        return self

    def reset(self) -> None:
        """As for any system, on a sound machine."""
        self.order(Machine())
        super().reset()

    def order(self, machine: Machine) -> None:
        """Says how the machine is from now on, in one step."""
        self.machine = machine
        draft = self.folder / "machine.draft"
        draft.write_bytes(msgspec.json.encode(machine))
        draft.replace(self.folder / "machine")

    @contextmanager
    def paced(self, pace: float) -> Iterator[None]:
        """Lets the ledger's time pass so much faster for a while; it does not go back afterwards."""
        self.order(Machine(time.time(), self._ledger_time(), pace))
        yield
        self.order(Machine(time.time(), self._ledger_time()))

    def _ledger_time(self) -> float:
        return self.machine.now() if self.machine.is_odd else time.time()

    @contextmanager
    def disk(self, state: Literal["full", "forbidden", "slow"], seconds: float = 0.0) -> Iterator[None]:
        """Spoils the store's disk for a while."""
        self.order(Machine(disk=state, seconds=seconds))
        yield
        self.order(Machine())

    def start_skewed_worker(self, seconds: float) -> "subprocess.Popen[bytes]":
        """Starts a worker whose clock is so much ahead."""
        self._skew = seconds
        try:
            return self.start_worker()
        finally:
            self._skew = 0.0


_REAL = ("lease", "ghost_min", "ghost_max")


def boot() -> None:
    """`dramatiq tests.chaos.skewed:boot` instead of `worker.main:boot`."""
    path = Path(os.environ[MACHINE])
    _skew_clock(float(os.environ[SKEW]))
    _pace_ledger(path)
    _spoil_disk(path)
    # what waits for a sweep is as quick as the ledger's time
    sweeper._EVERY = dt.timedelta(seconds=0.2)  # type: ignore[misc]
    sweeper._TURN = dt.timedelta(milliseconds=180)  # type: ignore[misc]
    real_boot()


def _machine(path: Path) -> Machine:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Machine)
    except FileNotFoundError:
        return Machine()


def _skew_clock(seconds: float) -> None:
    if not seconds:
        return
    real = time.time
    time.time = lambda: real() + seconds

    class Ahead(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            # a plain one, which can be stored like any other
            return dt.datetime.fromtimestamp(time.time(), tz)

    for module in (comparing, consent, correction, sweeper):
        module.datetime = Ahead  # type: ignore[attr-defined]


def _pace_ledger(path: Path) -> None:
    """The scripts' clock; leases, and what stands for calls that are open, last as long as they really do."""
    call = Transitions.call

    def paced(self: Transitions, name: str, *args: str | int, insist: bool = False) -> Any:
        machine = _machine(path)
        self._policy = _stretched(self._policy, machine.pace)
        self.at(round(machine.now() * 1000) if machine.is_odd else None)
        return call(self, name, *args, insist=insist)

    _replace(Transitions, "call", paced)


@lru_cache(maxsize=16)
def _stretched(policy: str, pace: float) -> str:
    spans = msgspec.json.decode(policy)
    real = spans.setdefault("real", {name: spans[name] for name in _REAL})
    return msgspec.json.encode(spans | {name: span * pace for name, span in real.items()}).decode()


def _spoil_disk(path: Path) -> None:
    write = store._write

    def spoilt(file: Path, data: bytes) -> None:
        machine = _machine(path)
        if machine.disk == "forbidden":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if machine.disk == "full":
            write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if machine.disk == "slow":
            time.sleep(machine.seconds)
        write(file, data)

    _replace(store, "_write", spoilt)


def _replace(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)
