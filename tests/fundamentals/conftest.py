"""One running system for the folder, emptied before each test."""

from collections.abc import Iterator

import pytest

from tests.catalogs import two_segments
from tests.profiles import Segments, segments
from tests.system import System

# leases short enough that a lost worker is noticed within a test's patience
SETTINGS = {
    "SEGMENT_EXPORT_LEASE": "4s",
    "SEGMENT_EXPORT_CALL_DEADLINE": "4s",
    "SEGMENT_EXPORT_VELOCITY_DELAY": "1s",
}


@pytest.fixture(scope="session")
def running() -> Iterator[System]:
    """A Valkey, a stand-in for Mailchimp, and a worker of two processes."""
    with System(settings=SETTINGS) as system:
        yield system


@pytest.fixture
def system(running: System) -> System:
    """The running system with an empty ledger, an empty audience and a catalog."""
    running.reset()
    running.apply(two_segments(running.data))
    return running


@pytest.fixture(scope="session")
def small() -> Segments:
    """Some 5,000 profiles: eight chunks."""
    return segments(5_000)


@pytest.fixture(scope="session")
def large() -> Segments:
    """Some 40,000 profiles: more than sixty chunks."""
    return segments(40_000)
