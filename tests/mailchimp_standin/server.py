"""The stand-in in a thread of the test's own process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from .control import Control, encoded
from .controls import Controls
from .door import Door
from .operations import Operations
from .world import API_KEY, LIST_ID, Answers, Latency, World

HOST = "127.0.0.1"
KEEP_ALIVE = 3600
T = TypeVar("T")


async def serve(world: World, port: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve on 127.0.0.1 until `stop`; `ready` hears the actual port."""
    server = web.Server(
        Door(world, Control(Operations(world))),
        access_log=None,
        keepalive_timeout=KEEP_ALIVE,
        tcp_keepalive=False,
    )
    # zero would mean to wait for ever
    runner = web.ServerRunner(server, shutdown_timeout=0.02)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, backlog=1024)
        await site.start()
        ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


def new_world(*, latency: Latency = 0.0, answers: Answers = "full", seed: int = 0) -> World:
    """A world with the account and the audience that every stand-in begins with."""
    world = World(latency=latency, answers=answers, seed=seed)
    world.add_account(API_KEY)
    world.add_audience(LIST_ID, API_KEY)
    return world


class Standin(Controls):
    """A stand-in with a server thread of its own, from `start` to `stop` or within `with`.

    It can be asked after `stop`, too. `latency` may also be a function of endpoint and path.
    """

    def __init__(
        self, *, port: int = 0, latency: Latency = 0.0, answers: Answers = "full", seed: int = 0
    ) -> None:
        self.url = ""
        self._port = port
        self._world = new_world(latency=latency, answers=answers, seed=seed)
        self._operations = Operations(self._world)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="standin", daemon=True)
        self._thread.start()
        self._port = started.result(timeout=10)
        self.url = f"http://{HOST}:{self._port}"
        return self

    def stop(self) -> None:
        """End the server and every call that is open; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(timeout=10)
        self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def do(self, operation: str, returns: type[T], /, **arguments: Any) -> T:  # noqa: ARG002 - the other kind needs it
        result: T = self._on_loop(lambda: getattr(self._operations, operation)(**arguments))
        return result

    def dump(self, list_id: str) -> Iterator[bytes]:
        views = self._on_loop(lambda: self._operations.dump(list_id))
        while lines := self._on_loop(lambda: encoded(views)):
            yield from lines.splitlines()

    def set_latency(self, seconds: Latency) -> None:
        self._on_loop(lambda: setattr(self._world, "latency", seconds))

    def _run(self, started: "Future[int]") -> None:
        try:
            asyncio.run(self._main(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _main(self, started: "Future[int]") -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._world, self._port, started.set_result, self._stop)

    def _on_loop(self, job: Callable[[], T]) -> T:
        """Do it between two steps of the server, so that nobody sees half of anything."""
        loop = self._loop
        if loop is None:
            return job()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it belongs to the thread that asked
                done.set_exception(error)

        loop.call_soon_threadsafe(run)
        return done.result(timeout=120)
