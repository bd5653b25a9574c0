"""A worker whose chunks are small and whose waits are short, so that many faults fit into a round of seconds.

Only sizes and spans are other than in production; what they are spans of is the same code.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec

from tests.chaos.boot import boot as boot_with_failpoints
from worker import broker, main
from worker.exports.plan import PlanSettings
from worker.jobs import comparing, plan, upload
from worker.state.scripts import Policy

CHUNK: Final = 100
GHOST: Final = 3.0  # seconds; longer than any call of the stand-in takes, as in production
CALL_DEADLINE: Final = 1.5
HEARTBEAT: Final = 3.0

_SPANS: Final = (
    (plan, "_DELAY", timedelta(seconds=1)),
    (plan, "_NO_SLOT_DELAY", timedelta(seconds=0.5)),
    (upload, "_STORE_DELAY", timedelta(seconds=1)),
    (broker, "_HEARTBEAT_TIMEOUT_MS", round(HEARTBEAT * 1000)),
    (main, "Policy", partial(Policy, ghost_min=timedelta(seconds=GHOST))),
)


def boot() -> None:
    """`dramatiq tests.chaos.small:boot` instead of `worker.main:boot`."""
    shrink()
    boot_with_failpoints()


def shrink() -> None:
    """Makes this process' chunks small and its waits short."""
    for module, name, value in _SPANS:
        setattr(module, name, value)
    usual = comparing.plan_settings

    def small(*arguments: Any) -> PlanSettings:
        return msgspec.structs.replace(usual(*arguments), chunk_size=CHUNK)

    _replace(comparing, ("plan_settings",), small)


def _replace(module: object, names: Sequence[str], value: object) -> None:
    for name in names:
        setattr(module, name, value)
