"""What happens in a round, drawn by its seed alone: who exports what, what changes, which faults when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from tests.mailchimp_standin.faults import (
    Action,
    Bare,
    Broken,
    Delay,
    Refuse,
    Reset,
    Swallow,
    Truncate,
)


class Kind(StrEnum):
    """A fault, or something that people do in the middle of a run."""

    KILL_GROUP = "worker killed, with all its processes"
    KILL_CHILD = "one process of a worker killed"
    TERM = "worker told to stop, another started"
    FREEZE = "worker frozen beyond its lease"
    FAILPOINT = "worker killed or delayed at a named step"
    REDIS_KILL = "Valkey killed, started again"
    REDIS_FREEZE = "Valkey frozen"
    REDIS_CLIENTS = "all connections to Valkey killed"
    QUEUES = "the broker's queues deleted"
    MAILCHIMP = "Mailchimp answers wrongly, or not"
    OTHERS = "other integrations use the account"
    PAUSE = "connection paused, resumed"
    CANCEL = "run canceled, another one started"
    STORM = "refreshes come while runs are active"
    LOST_BELL = "producer killed before it rings"
    UNSUBSCRIBE = "somebody unsubscribes during a run"


# each may cost a chunk or a plan one of its three lives, so there are never three of them in one step
CRASHES: Final = frozenset(
    {Kind.KILL_GROUP, Kind.KILL_CHILD, Kind.FREEZE, Kind.FAILPOINT, Kind.REDIS_KILL, Kind.REDIS_FREEZE}
)
_CRASHES_IN_A_STEP: Final = 2
_GENTLE: Final = tuple(kind for kind in Kind if kind not in CRASHES)

ANSWERS: Final[Sequence[Action]] = (
    Bare(429),
    Bare(403),
    Refuse(429, title="Too Many Requests"),
    Refuse(500),
    Refuse(503, applied=True),
    Broken(502),
    Broken(200),
    Broken(200, applied=True),
    Truncate(),
    Reset(),
    Reset(applied=True),
    Reset(applied=True, share=0.5),
    Swallow(share=0.3),
    Swallow(share=0.3, applied=False),
    # longer than a call may take, shorter than it goes on counting
    Delay(seconds=1.9, applied=True),
    Delay(seconds=0.6),
)

STEPS: Final = (
    "claim_plan",
    "survey_plan",
    "offer",
    "seal_plan",
    "begin",
    "settle",
    "park",
    "grant",
    "renew",
    "borrow",
    "give_back",
    "pass_canary",
    "replan",
    "claim_finish",
    "finish_run",
    "tend_run",
    "tidied",
    "count_removed",
    "learn",
    "enqueue *",
    "ack *",
    "write staged",
    "write reports",
    "write snapshots",
    "rename staged",
    "rename reports",
    "rename snapshots",
    "rename audiences",
    "delete staged",
    "delete snapshots",
    "GET /lists/[*]/members",
    "POST /lists/[*]",
    "POST /lists/[*]/segments/[*]",
)
"""Steps that are durable, as `failpoints.py` names them."""

Mode = Literal["upsert", "mirror"]
Dialect = Literal["newest", "classic"]


@dataclass(frozen=True)
class Fault:
    """One fault: when it begins (seconds after the step's first refresh), how long it lasts, on what.

    `which` chooses among workers, accounts, answers or steps; `strength` in [0, 1) is its force.
    """

    kind: Kind
    at: float
    lasts: float
    which: int
    strength: float


@dataclass(frozen=True)
class Target:
    """An export: its connection by number, its customers, how it writes."""

    number: int
    account: int
    customers: int
    mode: Mode
    dialect: Dialect


@dataclass(frozen=True)
class Step:
    """A refresh: `stages` times the segments change on their way to how they are in the end."""

    stages: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Schedule:
    """A round."""

    seed: int
    latency: float
    limits: tuple[int, ...]
    targets: tuple[Target, ...]
    steps: tuple[Step, ...]


def draw(seed: int) -> Schedule:
    """The round of this seed."""
    rng = random.Random(seed)
    limits = (rng.choice((10, 8, 6)), rng.choice((10, 5, 3)))
    targets = tuple(_target(rng, number) for number in range(rng.randint(2, 3)))
    faults: list[list[Fault]] = [[] for _ in range(rng.randint(2, 3))]
    for _ in range(rng.randint(2, 6)):
        into = rng.choice(faults)
        into.append(_fault(rng, into))
    return Schedule(
        seed=seed,
        latency=rng.uniform(0.02, 0.08),
        limits=limits,
        targets=targets,
        steps=tuple(_step(rng, each) for each in faults),
    )


def _target(rng: random.Random, number: int) -> Target:
    return Target(
        number=number,
        account=number % 2,
        customers=rng.randint(500, 1_400),
        mode="mirror" if rng.random() < 0.65 else "upsert",
        dialect="classic" if rng.random() < 0.15 else "newest",
    )


def _step(rng: random.Random, faults: Sequence[Fault]) -> Step:
    stormy = any(fault.kind == Kind.STORM for fault in faults)
    stages = rng.randint(2, 4) if stormy else 1
    return Step(stages, tuple(sorted(faults, key=lambda fault: fault.at)))


def _fault(rng: random.Random, beside: Sequence[Fault]) -> Fault:
    crashes = sum(fault.kind in CRASHES for fault in beside)
    kind = rng.choice(_GENTLE if crashes >= _CRASHES_IN_A_STEP else tuple(Kind))
    return Fault(
        kind=kind,
        at=rng.uniform(0.0, 1.2),
        lasts=_lasts(rng, kind),
        which=rng.randrange(1_000),
        strength=rng.random(),
    )


def _lasts(rng: random.Random, kind: Kind) -> float:
    if kind == Kind.FREEZE:
        return rng.uniform(2.8, 5.0)
    if kind == Kind.REDIS_FREEZE:
        return rng.uniform(0.5, 3.5)
    return rng.uniform(0.1, 1.4)
