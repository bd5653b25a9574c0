"""Slots: the right to have one call open on a connection, lent to one chunk at a time.

Each method is one transition; the file of its name in `lua/` holds its contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import msgspec
import redis

from worker.state import keys
from worker.state.client import now_ms, read_hash, read_set
from worker.state.scripts import Bell, Transitions, milliseconds


class ParkReason(StrEnum):
    """Why a chunk waits again."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Lease:
    """A granted slot: which chunk it is for, and the token that proves it."""

    connection: str
    run_id: str
    chunk: str
    token: str


class ChunkRecord(
    msgspec.Struct,
    rename={"count": "n", "location": "p", "members": "m", "attempts": "a", "parks": "r", "phase": "f"},
):
    """What the ledger knows of a chunk: how many members, where it is staged, which of them to send."""

    count: int
    location: str
    members: list[int] | None = None
    attempts: int = 0
    parks: int = 0
    phase: float = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A part of a chunk that still has to be sent: positions of members in the staged body, and when.

    `phase` is that of the chunk if it is None.
    """

    members: Sequence[int]
    delay: timedelta = timedelta()
    phase: float | None = None


class ConnectionState(msgspec.Struct):
    """How a connection stands, for operators."""

    limit: int
    max: int
    open: int
    paused: bool
    cooling_ms: int


class Slots:
    """The ledger's half of an upload."""

    def __init__(self, client: "redis.Redis", transitions: Transitions) -> None:
        self._client = client
        self._transitions = transitions

    def grant(self, connection: str) -> list[Bell]:
        """Takes back expired leases and grants free slots."""
        return self._transitions.ring("grant", connection)[1]

    def begin(self, lease: Lease) -> ChunkRecord | None:
        """The last question before a call; None means: drop the message."""
        record = self._transitions.call(
            "begin", lease.connection, lease.run_id, lease.chunk, lease.token, insist=True
        )
        return msgspec.json.decode(record, type=ChunkRecord) if record else None

    def settle(
        self,
        lease: Lease,
        *,
        took: timedelta,
        outcomes: Mapping[str, int],
        report_part: str = "",
        children: Sequence["Child"] = (),
        attempts: int = 0,
    ) -> tuple[bool, list[Bell]]:
        """Counts a delivered call once; False means the token was stale and nothing was counted.

        `children` are the parts of the chunk that still have to be sent; `attempts` is what they have spent.
        """
        parts: list[str | int] = []
        for child in children:
            members = msgspec.json.encode(list(child.members)).decode()
            phase = "" if child.phase is None else f"{child.phase:g}"
            parts += [members, len(child.members), milliseconds(child.delay), phase]
        counts = msgspec.json.encode({name: count for name, count in outcomes.items() if count}).decode()
        return self._ring("settle", lease, milliseconds(took), counts, report_part, attempts, *parts)

    def park(
        self, lease: Lease, *, reason: ParkReason, delay: timedelta, may_be_open: bool, took: timedelta
    ) -> tuple[bool, list[Bell]]:
        """Puts a chunk back until its delay is over."""
        return self._ring("park", lease, reason, milliseconds(delay), int(may_be_open), milliseconds(took))

    def give_up(self, lease: Lease, *, reason: str, may_be_open: bool) -> tuple[bool, list[Bell]]:
        """Ends a chunk whose members can't be delivered."""
        return self._ring("give_up", lease, reason, int(may_be_open))

    def renew_calls(self, leases: Sequence[Lease]) -> int:
        """Says that these calls are still open; returns how many of the leases were still valid."""
        if not leases:
            return 0
        flat: list[str | int] = []
        for lease in leases:
            flat += ["call", lease.connection, lease.run_id, lease.chunk, lease.token]
        return int(self._transitions.call("renew", *flat))

    def borrow(self, connection: str, *, max_connections: int, token: str, patience: timedelta) -> int:
        """Asks for a slot for a call without a chunk; gives its window, or 0: ask again within `patience`."""
        return int(
            self._transitions.call("borrow", connection, max_connections, token, milliseconds(patience))
        )

    def give_back(
        self, connection: str, *, token: str, run_id: str, calls: int, may_be_open: bool, throttled: int = 0
    ) -> list[Bell]:
        """Ends the use of a borrowed slot; the calls made on it, one by one, count among the run's.

        `throttled` is the slot's window if Mailchimp had enough calls open: the connection learns from it.
        """
        return self._transitions.ring(
            "give_back", connection, token, run_id, calls, int(may_be_open), throttled, insist=True
        )[1]

    def working(self) -> list[str]:
        """The connections that have pending chunks or open calls."""
        return read_set(self._client, keys.CONNECTIONS)

    def pause(self, connection: str) -> None:
        """No call begins on this connection until it is resumed."""
        self._client.hset(keys.connection(connection), "paused", 1)
        self._client.persist(keys.connection(connection))

    def resume(self, connection: str) -> list[Bell]:
        """Ends a pause; pending chunks get their slots at once."""
        self._client.hdel(keys.connection(connection), "paused")
        return self.grant(connection)

    def drop(self, connection: str) -> None:
        """The connection was removed: no call begins any more, and its keys go when the last has ended."""
        self._transitions.call("drop_connection", connection)

    def admit(self, connection: str) -> None:
        """A connection of this name was added: what is left of a removed one does not stop it."""
        if self._client.hdel(keys.connection(connection), "dropped"):
            self._client.hdel(keys.connection(connection), "paused")

    def state(self, connection: str) -> ConnectionState:
        """The connection's limit now, its open calls, and whether it is paused or cooling down."""
        fields = read_hash(self._client, keys.connection(connection))
        most = int(fields.get("max", 0))
        return ConnectionState(
            limit=min(most, int(float(fields.get("limit", most)))),
            max=most,
            open=self._client.zcard(keys.leases(connection)),
            paused=fields.get("paused") == "1",
            cooling_ms=max(0, int(float(fields.get("cool_until", 0))) - now_ms(self._client)),
        )

    def _ring(self, name: str, lease: Lease, *args: str | int) -> tuple[bool, list[Bell]]:
        status, bells = self._transitions.ring(
            name, lease.connection, lease.run_id, lease.chunk, lease.token, *args, insist=True
        )
        return status == 1, bells
