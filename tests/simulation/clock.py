"""The only clock: it stands still but for what is done, and what is waited for."""

import random
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

from worker import actors, sweeper
from worker.jobs import accounts, comparing, consent, correction, memory, upload
from worker.state import scripts


class Clock:
    """Time as everybody in the simulation has it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._heard: list[Callable[[datetime], None]] = []

    @property
    def now(self) -> datetime:
        return self._now

    @property
    def milliseconds(self) -> int:
        return round(self._now.timestamp() * 1000)

    def tell(self, hears: Callable[[datetime], None]) -> None:
        """Tells somebody of the time, now and whenever it has changed by more than a moment."""
        self._heard.append(hears)
        hears(self._now)

    def tick(self) -> None:
        self._now += timedelta(milliseconds=1)

    def advance(self, span: timedelta) -> None:
        self._now += span
        for hears in self._heard:
            hears(self._now)


class _AtOnce:
    """An executor that does everything at once, one after the other."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, do: Callable[..., Any], *args: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(do(*args))
        return done


def live_by(clock: Clock, wait: Callable[[timedelta], None], chance: random.Random) -> list[Any]:
    """What makes the jobs live by this clock, on one thread, with tokens that are the same every time."""

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:  # noqa: ARG003 - its signature
            return clock.now

    def sleep(seconds: float) -> None:
        wait(timedelta(seconds=seconds))

    time = SimpleNamespace(monotonic=lambda: clock.milliseconds / 1000, sleep=sleep)
    secrets = SimpleNamespace(token_hex=lambda size: chance.randbytes(size).hex())
    return [
        mock.patch.object(consent, "ThreadPoolExecutor", _AtOnce),
        *(mock.patch.object(module, "time", time) for module in (accounts, actors, upload)),
        *(mock.patch.object(module, "secrets", secrets) for module in (accounts, scripts)),
        *(
            mock.patch.object(module, "datetime", Datetime)
            for module in (comparing, consent, correction, memory, sweeper)
        ),
    ]
