"""A worker without a process: what `worker.main` builds, and only its ways to the outside are exchanged."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

import redis
from dramatiq.brokers.stub import StubBroker

from tests.mailchimp_standin import API_KEY
from tests.simulation.clock import Clock
from tests.simulation.outside import Clocked, Cupboard, Doorbell, Killed, Pool, Post, Watched, watched_client
from worker import main
from worker.broker import _message
from worker.mailchimp.clients import ClientPool
from worker.settings import Settings
from worker.state.patience import Patience
from worker.state.scripts import Bell, Policy, Transitions


class Surroundings(Post, Protocol):
    """What a worker lives in."""

    clock: Clock
    store: Cupboard
    settings: Settings

    def looked(self, worker: "Worker") -> None:
        """Hears of every look outwards of a worker at work, before anything leaves it."""


class Worker:
    """One worker process, as far as it can be one: it works until its `look` raises Killed."""

    def __init__(self, around: Surroundings, number: int) -> None:
        self.number = number
        self.dead = False
        self.doing = ""
        self._around = around
        self._closing: list[Callable[[], None]] = []
        with self._outside_exchanged():
            broker = main.build(around.settings)
        (life,) = (each for each in broker.middleware if isinstance(each, main.Lifecycle))
        self._actors = broker.actors
        assert life._sweeper is not None
        assert life._keeper is not None
        self._sweeper, self._keeper = life._sweeper, life._keeper

    @property
    def busy(self) -> bool:
        return bool(self.doing)

    def look(self) -> None:
        """Called before whatever leaves the process."""
        if self.dead:
            raise Killed
        if self.busy:
            self._around.looked(self)

    def do(self, bell: Bell) -> None:
        """Does what a bell asks for."""
        with self._at(bell.kind):
            message = _message(bell)
            self._actors[message.actor_name].fn(**message.kwargs)

    def sweep(self) -> None:
        """Does what its sweeper does every now and then."""
        self._sweeper.sweep()

    def renew(self) -> None:
        """Does what its keeper does while it works."""
        with self._at(""):
            self._keeper.renew()

    def end(self) -> None:
        """Closes what the process held open."""
        self.dead = True
        for close in self._closing:
            close()

    @contextmanager
    def _at(self, doing: str) -> Iterator[None]:
        before, self.doing = self.doing, doing
        try:
            yield
        finally:
            self.doing = before

    @contextmanager
    def _outside_exchanged(self) -> Iterator[None]:
        exchanged = {
            "connect": self._client,
            "open_store": lambda _: Watched(self._around.store, self.look),
            "ClientPool": self._pool,
            "Transitions": self._transitions,
            "make_broker": lambda _, middleware: StubBroker(middleware=list(middleware)),
            "Doorbell": lambda _: Doorbell(self._around, self.look),
            "environ": lambda: {"MAILCHIMP_API_KEY": API_KEY},
        }
        with ExitStack() as stack:
            for name, other in exchanged.items():
                stack.enter_context(mock.patch.object(main, name, other))
            yield

    def _client(self, url: str) -> "redis.Redis":
        client = watched_client(url, self.look)
        self._closing.append(client.close)
        return client

    def _transitions(self, client: "redis.Redis", policy: Policy, _patience: Patience) -> Transitions:
        return Clocked(self._around.clock, client, policy)

    def _pool(self, **options: Any) -> ClientPool:
        pool = Pool(self.look, **options)
        self._closing.append(pool.close_all)
        return pool
