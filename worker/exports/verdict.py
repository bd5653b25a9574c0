"""What to do with a chunk whose call went wrong: a value, computed by a pure function."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from worker.errors import ChunkRefused, RetryLater, SegmentExportError, StopRun, Throttled

MAX_ATTEMPTS: Final = 8
_BASE: Final = timedelta(seconds=0.5)
_CAP: Final = timedelta(seconds=60)
_OUR_FAULT_DELAY: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Park:
    """Try again after `delay`. `throttled` asks for fewer calls at once; `deferred` teaches nothing."""

    delay: timedelta
    throttled: bool = False
    deferred: bool = False
    may_be_open: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The chunk's members are failed."""

    reason: str
    may_be_open: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """Send the halves of the chunk, to find the members to blame."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The one member of the chunk is the one to blame."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The run can't go on."""

    sentence: str


Verdict: TypeAlias = Park | GiveUp | Split | Reject | Stop


def decide(
    error: SegmentExportError, *, members: int, attempts: int, parks: int, chance: Callable[[], float]
) -> Verdict:
    """What becomes of a chunk of `members` after `error`.

    `attempts` have been spent on it, `parks` counts its waits; `chance` gives numbers in [0, 1).
    """
    match error:
        case StopRun():
            return Stop(str(error))
        case ChunkRefused() if members == 1:
            return Reject(error.code, error.field, str(error))
        case ChunkRefused():
            return Split()
        case RetryLater():
            return _retry(error, attempts, backoff(parks, chance))
        case _:
            return Park(_OUR_FAULT_DELAY, deferred=True)


def _retry(error: RetryLater, attempts: int, delay: timedelta) -> Verdict:
    if isinstance(error, Throttled):
        return Park(delay, throttled=True, may_be_open=error.may_be_open)
    if attempts >= MAX_ATTEMPTS:
        return GiveUp("not_delivered", error.may_be_open)
    return Park(delay, may_be_open=error.may_be_open)


def backoff(parks: int, chance: Callable[[], float]) -> timedelta:
    """Exponential with full jitter: between nothing and half a second × 2^parks, at most a minute."""
    ceiling = min(_CAP, _BASE * float(2 ** min(parks, 16)))
    return ceiling * chance()
