"""Events that were taken, so that one which is sent again starts nothing again; and the stream of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
import redis

from worker.state import keys
from worker.state.client import now_ms
from worker.state.scripts import milliseconds

_GROUP: Final = "segment-export"
_BEGINNING: Final = "0-0"
_END: Final = b"0-0"
_FIELD: Final = b"event"


class Taken(msgspec.Struct, frozen=True):
    """What an event asked for and led to: `runs` are pairs of run and export."""

    asks: str
    runs: list[tuple[str, str]]
    unknown: list[str]


class Events:
    """The memory of events, by a digest of source and id."""

    def __init__(self, client: "redis.Redis", keep: timedelta) -> None:
        self._client = client
        self._keep = keep

    def recall(self, key: str) -> Taken | None:
        """What an event led to; None if it is new."""
        stored: Any = self._client.get(keys.event(key))
        return None if stored is None else msgspec.json.decode(stored, type=Taken)

    def remember(self, key: str, taken: Taken) -> Taken:
        """Keeps what an event led to, and gives what is kept: somebody may have been quicker."""
        record = msgspec.json.encode(taken).decode()
        if self._client.set(keys.event(key), record, px=milliseconds(self._keep), nx=True):
            return taken
        return self.recall(key) or taken


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the stream; `event` is None if it has no such field."""

    id: str
    event: bytes | None


class EventStream:
    """A Redis stream that upstream systems add to, as the one consumer of a group sees it.

    Who reads is one process at a time, so that refreshes are taken in their order. All of them go by the same
    name of a consumer: whoever is next finds what the last one had read and not acknowledged as its own.
    The client has to reply with bytes: what others wrote need not be text.
    """

    def __init__(
        self, client: "redis.Redis", name: str, *, keep: timedelta, most_refused: int = 1000
    ) -> None:
        self._client = client
        self._name = name
        self._keep = keep
        self._most_refused = most_refused

    def lead(self, who: str, lasts: timedelta) -> bool:
        """Whether `who` is the one that reads now; for `lasts` from now on nobody else does."""
        key, span = keys.turn("stream"), milliseconds(lasts)
        if self._client.set(key, who, px=span, nx=True):
            return True
        return self._client.get(key) == who.encode() and bool(self._client.pexpire(key, span))

    def resign(self, who: str) -> None:
        """Lets somebody else read at once."""
        if self._client.get(keys.turn("stream")) == who.encode():
            self._client.delete(keys.turn("stream"))

    def prepare(self) -> None:
        """Makes the group, from the stream's beginning on, if there is none."""
        try:
            self._client.xgroup_create(self._name, _GROUP, id=_BEGINNING, mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def claim(self, count: int) -> list[Entry]:
        """The oldest entries that were read and not acknowledged, but for those that left the stream."""
        entries: list[Entry] = []
        place: Any = _BEGINNING
        while not entries and place != _END:
            place, found, *_ = self._client.xautoclaim(
                self._name, _GROUP, _GROUP, min_idle_time=0, start_id=place, count=count
            )
            entries = _entries(found)
        return entries

    def read(self, count: int, wait: timedelta) -> list[Entry]:
        """The next entries that nobody has read, after a while at most."""
        replies: Any = self._client.xreadgroup(
            _GROUP, _GROUP, {self._name: ">"}, count=count, block=max(1, milliseconds(wait))
        )
        return [entry for _, found in replies or () for entry in _entries(found)]

    def acknowledge(self, entry: Entry) -> None:
        """Says that an entry is done, and takes it out of the stream."""
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._name, _GROUP, entry.id)
            pipeline.xdel(self._name, entry.id)
            pipeline.execute()

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Says that an entry is left to a person: it stays in the stream, and another one tells why.

        The newest of these are kept, and for a while only: see `tidy`.
        """
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._name, _GROUP, entry.id)
            pipeline.xadd(keys.EVENTS_REFUSED, {"entry": entry.id, "reason": reason})
            pipeline.execute()
        self.tidy()

    def tidy(self) -> None:
        """Takes what was set aside too long ago, or has too many after it, out of both streams."""
        surplus = self.refused() - self._most_refused
        if surplus > 0:
            self._forget(count=surplus)
        self._forget(until=now_ms(self._client) - milliseconds(self._keep), count=self._most_refused)

    def refused(self) -> int:
        """How many entries are set aside."""
        return int(self._client.xlen(keys.EVENTS_REFUSED))

    def waiting(self) -> int:
        """How many entries nobody has read, or finished."""
        return max(0, int(self._client.xlen(self._name)) - self.refused())

    def is_read(self) -> bool:
        """Whether a process has the turn to read."""
        return bool(self._client.exists(keys.turn("stream")))

    def _forget(self, *, count: int, until: int | str = "+") -> None:
        oldest: Any = self._client.xrange(keys.EVENTS_REFUSED, max=until, count=count)
        if not oldest:
            return
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xdel(self._name, *(fields[b"entry"] for _, fields in oldest))
            pipeline.xdel(keys.EVENTS_REFUSED, *(entry_id for entry_id, _ in oldest))
            pipeline.execute()


def _entries(found: Iterable[Any]) -> list[Entry]:
    # without fields: it was deleted meanwhile (Redis 6.2 tells of it so)
    return [Entry(entry_id.decode(), fields.get(_FIELD)) for entry_id, fields in found if fields]
