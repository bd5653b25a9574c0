"""A running system for each file, of two kinds; and the segments that are exported."""

from collections.abc import Iterator

import pytest

from tests.chaos.faulty import FaultySystem
from tests.chaos.skewed import OddSystem
from tests.profiles import Segments, segments


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultySystem]:
    """A Valkey, a stand-in, and a supervised worker of two processes that may fail at named steps."""
    with FaultySystem() as system, system.supervised():
        yield system


@pytest.fixture(scope="module")
def odd() -> Iterator[OddSystem]:
    """A Valkey, a stand-in, and a worker of two processes whose time may fly and whose disk may fail."""
    with OddSystem() as system:
        yield system


@pytest.fixture(scope="session")
def small() -> Segments:
    """Some 5,000 profiles: eight chunks."""
    return segments(5_000)


@pytest.fixture(scope="session")
def large() -> Segments:
    """Some 25,000 profiles: forty chunks."""
    return segments(25_000)
