"""A short piece of `make chaos`: some seeded rounds, and some of the crash points."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.crash_points import crash_points, kill_at
from tests.chaos.rounds import play
from tests.chaos.sampling import some
from tests.chaos.stage import PROCESSES, WORKERS, Stage

SEEDS = (27, 10041)
KILLED = 3


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Two supervised workers of two processes, with everything small and quick."""
    with Stage() as made, made.supervised():
        made.wait_for_workers(WORKERS * PROCESSES)
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_a_round_of_seeded_faults_breaks_no_promise(stage: Stage, seed: int) -> None:
    """Whatever fails, everybody is where they belong, every run has ended, and nothing is left over."""
    assert play(stage, seed).rounds == 1


@pytest.mark.timeout(1_800)
def test_a_worker_may_be_killed_at_each_durable_step(stage: Stage) -> None:
    """A run is watched for its steps; then another one is killed at each of them, and audited."""
    points = list(crash_points(stage))
    assert len(points) > 50
    Random(4).shuffle(points)
    for number, point in enumerate(some(points, KILLED)):
        kill_at(stage, number, point)
