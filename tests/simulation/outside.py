"""What workers reach outside of themselves; every reach can be the moment at which one of them is killed."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final, Protocol

import httpx
import redis

from tests.simulation.clock import Clock
from worker.mailchimp.clients import ClientPool
from worker.state.client import connect
from worker.state.scripts import Bell, Policy, Transitions
from worker.store.interface import Objects, Stored, checked, missing

LEASE: Final = timedelta(seconds=20)
Look = Callable[[], None]
"""Called before whatever leaves the process."""


class Killed(BaseException):
    """The worker is no more: nothing of it runs on, not even what cleans up."""


class Post(Protocol):
    """Where bells wait until somebody does what they ask for."""

    @property
    def backlog(self) -> int: ...

    def hear(self, bells: Iterable[Bell]) -> None: ...


class Cupboard:
    """A store in memory."""

    where = "memory"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: dict[str, tuple[bytes, Any]] = {}

    def put(self, path: str, data: bytes) -> None:
        self.held[checked(path)] = (data, self._clock.now)

    def get(self, path: str) -> bytes:
        if checked(path) not in self.held:
            raise missing(self.where, path)
        return self.held[path][0]

    def get_range(self, path: str, start: int, length: int) -> bytes:
        return self.get(path)[start : start + length]

    def rewrite(self, path: str, change: Callable[[bytes], bytes]) -> bool:
        self.put(path, change(self.get(path)))
        return True

    def exists(self, path: str) -> bool:
        return path in self.held

    def list(self, prefix: str) -> Iterator[Stored]:
        found = [path for path in self.held if path.startswith(f"{prefix}/")]
        return iter([Stored(path, self.held[path][1], len(self.held[path][0])) for path in found])

    def delete_prefix(self, prefix: str) -> None:
        for path in [path for path in self.held if path.startswith(f"{prefix}/")]:
            del self.held[path]


class Watched:
    """Objects whose every use is a look outwards."""

    def __init__(self, objects: Objects, look: Look) -> None:
        self._objects = objects
        self._look = look

    def __getattr__(self, name: str) -> Any:
        used = getattr(self._objects, name)
        if callable(used):
            self._look()
        return used


class Pool(ClientPool):
    """Clients of Mailchimp whose every call is a look outwards."""

    def __init__(self, look: Look, **options: Any) -> None:
        super().__init__(**options)
        self._look = look

    def _made(self, api_key: str, data_centre: str | None) -> Any:
        client = super()._made(api_key, data_centre)
        client._transport = _Transport(client._transport, self._look)
        return client


class _Transport(httpx.BaseTransport):
    def __init__(self, transport: httpx.BaseTransport, look: Look) -> None:
        self._transport = transport
        self._look = look

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._look()
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


class Doorbell:
    """Rings at the post."""

    def __init__(self, post: Post, look: Look) -> None:
        self._post = post
        self._look = look

    def ring(self, bells: Iterable[Bell]) -> None:
        heard = list(bells)
        self._look()
        self._post.hear(heard)

    def backlog(self) -> int:
        return self._post.backlog

    def heartbeat(self) -> None:
        pass


class Clocked(Transitions):
    """Transitions by the simulation's clock."""

    def __init__(self, clock: Clock, client: "redis.Redis", policy: Policy) -> None:
        super().__init__(client, policy)
        self._clock = clock

    def load(self) -> None:
        """Loads all scripts, so that no first call takes another way than those after it."""
        for script in self._scripts.values():
            self._client.script_load(script.script)

    def call(self, name: str, *args: str | int, insist: bool = False) -> Any:
        self.at(self._clock.milliseconds)
        return super().call(name, *args, insist=insist)


def watched_client(url: str, look: Look) -> "redis.Redis":
    """A client of Redis whose every command is a look outwards."""
    client = connect(url)
    execute: Any = client.execute_command

    def watched(*args: Any, **options: Any) -> Any:
        look()
        return execute(*args, **options)

    client.execute_command = watched  # type: ignore[method-assign] # scripts and commands go through it
    return client
