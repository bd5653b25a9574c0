"""Many refreshes of one export, whatever happens between them and meanwhile: the audience is as it should be.

The same stories each time, so that a red run is the change's own fault. CHAOS_ROUNDS tells that many
others, of some runs each; thousands, if somebody has the time:
`CHAOS_ROUNDS=5000 .venv/bin/pytest tests/fundamentals/test_many_refreshes.py`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test

from tests.mailchimp_standin import Standin
from tests.simulation.refreshes import Refreshes

ASKED: Final = os.environ.get("CHAOS_ROUNDS")
ROUNDS: Final = int(ASKED or "60")
STEPS: Final = 14


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin() as running:
        yield running


@pytest.fixture
def same_stories() -> Iterator[None]:
    """Hypothesis draws numbers that it finds in loaded modules, too: which these are must not matter."""
    with mock.patch.object(HypothesisProvider, "_maybe_draw_constant", return_value=None):
        yield


@pytest.mark.usefixtures("same_stories")
@pytest.mark.timeout(120 + 10 * ROUNDS)
def test_many_refreshes_leave_the_audience_as_it_should_be(
    redis_client: "redis.Redis", valkey: str, standin: Standin, tmp_path: Path
) -> None:
    """Members, attributes, tags, consent: after each run they are what an obvious model says."""
    place = {"client": redis_client, "url": valkey, "standin": standin, "folder": tmp_path}
    run_state_machine_as_test(
        type("Machine", (Refreshes,), place),
        settings=settings(
            max_examples=ROUNDS,
            stateful_step_count=STEPS,
            derandomize=ASKED is None,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            # a story is read as it is: making it shorter takes minutes
            phases=(Phase.explicit, Phase.generate),
        ),
    )
