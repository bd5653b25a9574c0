"""Every durable step of a run, found by watching one; then a run for each, killed there, and audited."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.chaos.failpoints import Order
from tests.chaos.rounds import Round
from tests.chaos.schedule import Schedule, Step, Target
from tests.chaos.stage import Stage

_QUIET: Final = Step(stages=1, faults=())
_PLAIN: Final = Schedule(
    seed=0,
    latency=0.03,
    limits=(5,),
    targets=(Target(number=0, account=0, customers=600, mode="mirror", dialect="newest"),),
    steps=(_QUIET, _QUIET),
)
"""Two refreshes of one export: a canary, uploads, then changes, leavers and a second snapshot."""
_NOWHERE: Final = Order("nowhere", "pause")
_FIRST: Final = 90_000_000
_OF_EVERY_PROCESS: Final = ("renew", "grant", "tend_run")
"""What is done by the clock, not by a run: the rounds' own failpoints kill there."""


def crash_points(stage: Stage) -> Sequence[str]:
    """All points that the runs of a round come by, in the order in which they come by first."""
    seen = dict.fromkeys(_played(stage, 0, _NOWHERE))
    return [point for point in seen if point.partition(" ")[2] not in _OF_EVERY_PROCESS]


def kill_at(stage: Stage, number: int, point: str) -> None:
    """A round whose worker is killed when it first comes by a point.

    Raises:
        Failure: a promise was broken.
    """
    # a star alone would match any word
    passed = _played(stage, 1 + number, Order(point.replace("*", "[*]")))
    if point not in passed:
        raise AssertionError(f"No worker came by {point!r}.")


def _played(stage: Stage, number: int, order: Order) -> list[str]:
    this = Round(stage, replace(_PLAIN, seed=_FIRST + number), [order])
    try:
        this.run()
    finally:
        this.forget()
    return this.points
