"""Named moments of a worker at which a test may kill, freeze, delay or fail it.

`install` wraps every durable step from outside; the product holds no line of it. Orders lie in a folder
that the test and all processes share: they may change at any moment, and each is carried out once over all
processes, because exactly one hit is the n-th. Every hit is noted there, in order.
"""

import errno
import fnmatch
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import httpx
import msgspec
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer

from worker.mailchimp.calls import Caller
from worker.mailchimp.errors import unreachable
from worker.state.audiences import Audiences
from worker.state.runs import Runs
from worker.state.scripts import Transitions
from worker.store import folder as store

VARIABLE: Final = "FAILPOINTS"

Action: TypeAlias = Literal["kill", "kill group", "freeze", "freeze group", "fail", "pause"]


class Order(msgspec.Struct, frozen=True):
    """What to do at the `nth` hit, from now on and over all processes, of the points that match `point`.

    `kill` and `freeze` are SIGKILL and SIGSTOP for the process that came by, or for the whole group of its
    worker; `fail` raises what this step raises when it fails; `pause` lasts `seconds`. A kill or freeze with
    `seconds` comes that much later, while the process goes on.
    """

    point: str
    action: Action = "kill"
    nth: int = 1
    seconds: float = 0.0
    number: str = msgspec.field(default_factory=lambda: secrets.token_hex(4))


class Hit(msgspec.Struct, frozen=True, array_like=True):
    """A process came by a point, at a time (seconds since the epoch)."""

    point: str
    pid: int
    at: float


class Fired(msgspec.Struct, frozen=True):
    """An order that was carried out: where, by which process, in which group."""

    order: Order
    point: str
    pid: int
    group: int
    at: float


_ORDERS: Final = msgspec.json.Decoder(list[Order])
_HIT: Final = msgspec.json.Decoder(Hit)
_FIRED: Final = msgspec.json.Decoder(Fired)


class Failpoints:
    """A folder of orders and notes, seen from the test or from a process under test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._armed, self._hits, self._fired = (folder / name for name in ("armed", "hits", "fired"))

    # the test's side

    def arm(self, *orders: Order) -> None:
        """Replaces all orders, in one step; none disarms."""
        draft = self._folder / "draft"
        draft.write_bytes(msgspec.json.encode(orders))
        draft.replace(self._armed)

    def clear(self) -> None:
        """Disarms, and forgets what was noted."""
        self.arm()
        for path in self._folder.glob("count-*"):
            path.unlink()
        for path in (self._hits, self._fired):
            path.write_bytes(b"")

    def hits(self) -> list[Hit]:
        """All hits since the last `clear`, in order."""
        return [_HIT.decode(line) for line in _lines(self._hits)]

    def fired(self) -> list[Fired]:
        """All orders carried out since the last `clear`, in order."""
        return [_FIRED.decode(line) for line in _lines(self._fired)]

    # the side of the process under test

    def hit(self, point: str, failure: Callable[[], Exception]) -> None:
        """Notes that this process comes by a point, and does what is ordered for it."""
        _append(self._hits, msgspec.json.encode(Hit(point, os.getpid(), time.time())) + b"\n")
        for order in self._orders():
            if fnmatch.fnmatchcase(point, order.point) and self._is_the_one(order):
                self._carry_out(order, point, failure)

    def _orders(self) -> list[Order]:
        try:
            return _ORDERS.decode(self._armed.read_bytes())
        except FileNotFoundError:
            return []

    def _is_the_one(self, order: Order) -> bool:
        return _append(self._folder / f"count-{order.number}", b".") == order.nth

    def _carry_out(self, order: Order, point: str, failure: Callable[[], Exception]) -> None:
        fired = Fired(order, point, os.getpid(), os.getpgid(0), time.time())
        _append(self._fired, msgspec.json.encode(fired) + b"\n")
        if order.action == "fail":
            raise failure()
        if order.action == "pause":
            time.sleep(order.seconds)
        elif order.seconds:
            threading.Timer(order.seconds, _signal, [order.action]).start()
        else:
            _signal(order.action)


def install(folder: Path) -> None:
    """Wraps every durable step of this process."""
    points = Failpoints(folder)
    _wrap_transitions(points)
    _wrap_direct_writes(points)
    _wrap_store(points)
    _wrap_calls(points)
    _wrap_queue(points)


def _wrap_transitions(points: Failpoints) -> None:
    call = Transitions.call

    def watched(self: Transitions, name: str, *args: str | int, insist: bool = False) -> Any:
        with _around(points, name, _no_redis):
            return call(self, name, *args, insist=insist)

    _replace(Transitions, "call", watched)


def _wrap_direct_writes(points: Failpoints) -> None:
    for owner, names in (
        (Runs, ("count_resubscribed", "count_removed", "tidied")),
        (Audiences, ("learn", "forget")),
    ):
        for name in names:
            _wrap(points, owner, name, lambda *_, name=name: name, _no_redis)


def _wrap_store(points: Failpoints) -> None:
    """Points between the steps of the local folder, where its errors are the operating system's."""
    room = threading.local()

    def in_room(name: str) -> None:
        inner = getattr(store.LocalFolder, name)

        def watched(self: store.LocalFolder, path: str, *args: Any) -> Any:
            room.name = path.partition("/")[0]
            try:
                return inner(self, path, *args)
            finally:
                room.name = ""

        _replace(store.LocalFolder, name, watched)

    def step(owner: object, function: str, verb: str) -> None:
        inner = getattr(owner, function)

        def watched(*args: Any) -> Any:
            # making the folder ready at start-up is nobody's durable step
            where = getattr(room, "name", "")
            if not where:
                return inner(*args)
            with _around(points, f"{verb} {where}", _no_space):
                return inner(*args)

        _replace(owner, function, watched)

    for name in ("put", "delete_prefix"):
        in_room(name)
    step(store, "_write", "write")
    step(store.LocalFolder, "_move", "rename")
    step(store, "_take_away", "delete")


def _wrap_calls(points: Failpoints) -> None:
    def name(_: Caller, method: str, path: str, *__: Any) -> str:
        rooms = path.partition("?")[0].split("/")[1:]
        shown = [room if at % 2 == 0 else "*" for at, room in enumerate(rooms)]
        return f"{method} /{'/'.join(shown)}"

    _wrap(points, Caller, "_ask", name, _no_answer)


def _wrap_queue(points: Failpoints) -> None:
    _wrap(points, RedisBroker, "enqueue", lambda _, message, **__: f"enqueue {message.actor_name}", _no_redis)
    _wrap(points, _RedisConsumer, "ack", lambda _, message: f"ack {message.actor_name}", _no_redis)


def _wrap(
    points: Failpoints,
    owner: object,
    attribute: str,
    name: Callable[..., str],
    failure: Callable[[], Exception],
) -> None:
    inner = getattr(owner, attribute)

    def watched(*args: Any, **more: Any) -> Any:
        with _around(points, name(*args, **more), failure):
            return inner(*args, **more)

    _replace(owner, attribute, watched)


def _replace(owner: object, attribute: str, watched: Callable[..., Any]) -> None:
    setattr(owner, attribute, watched)


@contextmanager
def _around(points: Failpoints, name: str, failure: Callable[[], Exception]) -> Iterator[None]:
    points.hit(f"before {name}", failure)
    yield
    points.hit(f"after {name}", failure)


def _no_redis() -> Exception:
    return redis.ConnectionError("a failpoint")


def _no_space() -> Exception:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _no_answer() -> Exception:
    return unreachable(httpx.ReadError("a failpoint"), seconds=0)


def _signal(action: Action) -> None:
    number = signal.SIGSTOP if action.startswith("freeze") else signal.SIGKILL
    if action.endswith("group"):
        os.killpg(os.getpgid(0), number)
    else:
        os.kill(os.getpid(), number)


def _append(path: Path, data: bytes) -> int:
    """Appends in one step, also among processes; gives where the file ended then."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def _lines(path: Path) -> Sequence[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
