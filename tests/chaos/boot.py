"""What workers and commands under test are started with: the real thing, with failpoints around its steps."""

import os
import sys
from datetime import timedelta
from pathlib import Path

from producer.cli import main
from tests.chaos.failpoints import VARIABLE, install
from worker import keeper, messages, sweeper
from worker.main import boot as real_boot

# everything that waits for leases is as much quicker as they are shorter
QUICK = "CHAOS_QUICK"
# the version that this process' messages carry
VERSION = "CHAOS_VERSION"


def boot() -> None:
    """`dramatiq tests.chaos.boot:boot` instead of `worker.main:boot`."""
    _prepare()
    real_boot()


def _prepare() -> None:
    install(Path(os.environ[VARIABLE]))
    messages.VERSION = int(os.environ.get(VERSION, messages.VERSION))  # type: ignore[misc]
    if QUICK in os.environ:
        keeper._TICK = 0.2  # type: ignore[misc]
        sweeper._EVERY = timedelta(seconds=0.2)  # type: ignore[misc]
        sweeper._TURN = timedelta(milliseconds=180)  # type: ignore[misc]
        sweeper._PATIENCE = timedelta(seconds=1)  # type: ignore[misc]


if __name__ == "__main__":
    _prepare()
    sys.argv[0] = "segment-export"
    main()
