"""Waiting for a ledger that is away."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Timer

import pytest
import redis

from worker.state.patience import AWAY, Patience


def failing(times: int, error: Exception) -> Callable[[], int]:
    """A transition that fails so many times and then gives how often it was tried."""
    tried = 0

    def transition() -> int:
        nonlocal tried
        tried += 1
        if tried <= times:
            raise error
        return tried

    return transition


@pytest.mark.parametrize("error", AWAY)
def test_what_is_to_be_said_is_said_when_the_ledger_is_back(error: type[Exception]) -> None:
    assert Patience(Event()).insist(failing(2, error())) == 3


def test_a_refusal_that_does_not_pass_is_not_repeated() -> None:
    with pytest.raises(redis.ResponseError):
        Patience(Event()).insist(failing(1, redis.ResponseError()))


def test_patience_has_an_end() -> None:
    transition = failing(1, redis.ConnectionError())
    with pytest.raises(redis.ConnectionError):
        Patience(Event(), timedelta()).insist(transition)
    assert transition() == 2, "it was tried once"


def test_a_process_that_has_to_end_is_not_held_up() -> None:
    over = Event()
    Timer(0.05, over.set).start()
    with pytest.raises(redis.ConnectionError):
        Patience(over, timedelta(days=1)).insist(failing(10**9, redis.ConnectionError()))
