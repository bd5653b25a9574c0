"""What workers and commands under test are started with: the real thing, with failpoints around its steps."""

import os
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from producer.cli import main as segment_export
from tests.chaos.failpoints import VARIABLE, install
from worker import keeper, main, messages, sweeper
from worker.state.scripts import Policy

# everything that waits for leases is as much quicker as they are shorter
QUICK = "CHAOS_QUICK"
# for how many seconds a call whose end was not seen keeps its slot
GHOST = "CHAOS_GHOST"
# the version that this process' messages carry
VERSION = "CHAOS_VERSION"


def boot() -> None:
    """`dramatiq tests.chaos.boot:boot` instead of `worker.main:boot`."""
    _prepare()
    main.boot()


def _prepare() -> None:
    install(Path(os.environ[VARIABLE]))
    messages.VERSION = int(os.environ.get(VERSION, messages.VERSION))  # type: ignore[misc]
    if QUICK in os.environ:
        keeper._TICK = 0.2  # type: ignore[misc]
        sweeper._EVERY = timedelta(seconds=0.2)  # type: ignore[misc]
        sweeper._TURN = timedelta(milliseconds=180)  # type: ignore[misc]
        sweeper._PATIENCE = timedelta(seconds=1)  # type: ignore[misc]
    if GHOST in os.environ:
        span = timedelta(seconds=float(os.environ[GHOST]))
        main.Policy = partial(Policy, ghost_min=span, ghost_max=span)  # type: ignore[attr-defined,assignment]


if __name__ == "__main__":
    _prepare()
    sys.argv[0] = "segment-export"
    segment_export()
