"""What people are to be told of, until they were told.

Whatever ends or holds a run puts it here in the same transition, so that no kill comes between. A clock makes
a delivery of it for each channel, and takes one to send it; what is taken comes back after a while, unless it
is settled. So each is delivered at least once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

import redis

from worker.state import keys
from worker.state.scripts import Transitions, milliseconds
from worker.state.timetable import moment

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and what it happened to: a run's id, or `EXPORT@MS` for a refresh that did not come."""

    event: str
    subject: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A happening that a channel is to be told of; `tries` counts the one under way."""

    text: str
    channel: str
    happening: Happening
    at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a channel was not told of in the end, and why."""

    channel: str
    happening: Happening
    given_up: datetime
    reason: str


class Outbox:
    """Happenings, and their deliveries."""

    def __init__(self, client: "redis.Redis", transitions: Transitions) -> None:
        self._client = client
        self._transitions = transitions

    def happenings(self) -> list[Happening]:
        """What nobody looked at yet, oldest first."""
        found = cast("list[str]", self._client.zrange(keys.OUTBOX, 0, _AT_ONCE - 1))
        return [Happening(*entry.split(" ", 1)) for entry in found]

    def fan_out(self, happening: Happening, channels: Collection[str]) -> bool:
        """Make deliveries of a happening; False if another clock was quicker."""
        entry = f"{happening.event} {happening.subject}"
        return bool(self._transitions.call("fan_out", entry, *channels))

    def claim(self, lasts: timedelta, busy: Collection[str] = ()) -> list[Delivery]:
        """Take one delivery of each channel that has any to be tried now and is not busy."""
        flat = iter(self._transitions.call("claim_deliveries", milliseconds(lasts), *busy))
        return [_delivery(str(text), int(tries)) for text, tries in zip(flat, flat, strict=True)]

    def sent(self, delivery: Delivery) -> None:
        """A channel was told."""
        self._transitions.call("settle_delivery", delivery.text, "sent", "")

    def later(self, delivery: Delivery, delay: timedelta) -> None:
        """It is tried again after a while."""
        self._transitions.call("settle_delivery", delivery.text, "later", milliseconds(delay))

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """It is not tried again, and operators are shown that."""
        self._transitions.call("settle_delivery", delivery.text, "given_up", reason)

    def waiting(self) -> dict[str, int]:
        """How many deliveries wait, by channel."""
        counts: dict[str, int] = {}
        for text in cast("list[str]", self._client.zrange(keys.DELIVERIES, 0, -1)):
            channel = text.partition(" ")[0]
            counts[channel] = counts.get(channel, 0) + 1
        return counts

    def undelivered(self) -> list[Undelivered]:
        """What was given up lately, newest first."""
        rows = cast(
            "list[tuple[str, float]]", self._client.zrevrange(keys.UNDELIVERED, 0, -1, withscores=True)
        )
        return [_undelivered(text, int(ms)) for text, ms in rows]

    def why_held(self, run_id: str) -> str:
        """The sentence with which a run was held, whatever became of it since."""
        return str(self._client.hget(keys.run(run_id), "held") or "")


def _delivery(text: str, tries: int) -> Delivery:
    channel, event, subject, at = text.split(" ")
    return Delivery(text, channel, Happening(event, subject), moment(int(at)), tries)


def _undelivered(text: str, ms: int) -> Undelivered:
    channel, event, subject, _, reason = text.split(" ", 4)
    return Undelivered(channel, Happening(event, subject), moment(ms), reason)
