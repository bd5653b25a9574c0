"""Waiting for a ledger that is away."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Timer
from typing import Any

import pytest
import redis

from worker.state.patience import AWAY, Patience
from worker.state.scripts import Transitions
from worker.state.slots import Lease, ParkReason, Slots


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


class AwayOnce:
    """A client whose server is away for the first transition, and knows no token after it."""

    def __init__(self) -> None:
        self.tried = 0

    def register_script(self, text: str) -> Callable[..., Any]:
        """A script that fails once."""

        def script(**_: Any) -> Any:
            self.tried += 1
            if self.tried == 1:
                raise redis.ConnectionError
            return "" if "May this holder make the call now?" in text else [0]

        return script


LEASE = Lease("newsletter", "r", "1-0", "token")


@pytest.mark.parametrize(
    "transition",
    [
        pytest.param(lambda slots: slots.begin(LEASE), id="begin"),
        pytest.param(lambda slots: slots.settle(LEASE, took=timedelta(), outcomes={}), id="settle"),
        pytest.param(
            lambda slots: slots.park(
                LEASE,
                reason=ParkReason.DEFERRED,
                delay=timedelta(),
                may_be_open=False,
                took=timedelta(),
            ),
            id="park",
        ),
        pytest.param(lambda slots: slots.give_up(LEASE, reason="refused", may_be_open=False), id="give up"),
        pytest.param(
            lambda slots: slots.give_back("newsletter", token="t", run_id="", calls=1, may_be_open=False),  # noqa: S106
            id="give back",
        ),
    ],
)
def test_around_a_call_a_worker_insists_and_a_command_does_not(transition: Callable[[Slots], Any]) -> None:
    client: Any = AwayOnce()
    transition(Slots(client, Transitions(client, patience=Patience(Event()))))
    assert client.tried == 2
    client = AwayOnce()
    with pytest.raises(redis.ConnectionError):
        transition(Slots(client, Transitions(client)))


def test_a_renewal_is_not_insisted_on() -> None:
    """Whoever renews looks anew at what is held, and has to watch over the process meanwhile."""
    client: Any = AwayOnce()
    with pytest.raises(redis.ConnectionError):
        Slots(client, Transitions(client, patience=Patience(Event()))).renew_calls([LEASE])
