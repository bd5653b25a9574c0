"""What the clock remembers: what each schedule fired for last, and which refreshes are expected."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, cast

import msgspec
import redis

from worker.state import keys
from worker.state.client import now_ms, read_hash
from worker.state.scripts import Transitions

Place: TypeAlias = Literal["schedules", "expected"]

_PLACES: Final[dict[Place, str]] = {"schedules": keys.SCHEDULES, "expected": keys.EXPECTED}


class Fired(msgspec.Struct, frozen=True):
    """A schedule, and the newest moment (ms) for which nothing is left to do."""

    cron: str
    time_zone: str
    last: int


class Expected(msgspec.Struct, frozen=True):
    """Since when a refresh is expected of an export, and which period's beginning was told of, in ms."""

    since: int
    told: int = 0


class Timetable:
    """The clock's memory. What changes it names what was read: the later of two clocks changes nothing.

    Its time is Redis': whatever the clocks of two machines say, there is one now.
    """

    def __init__(self, client: "redis.Redis", transitions: Transitions) -> None:
        self._client = client
        self._transitions = transitions

    def now(self) -> datetime:
        """The time that counts."""
        return moment(now_ms(self._client))

    def noted(self, place: Place) -> dict[str, str]:
        """What is noted, by export, as it must be given back to change it."""
        return read_hash(self._client, _PLACES[place])

    def refreshed(self) -> dict[str, int]:
        """When a refresh last created a run of each export, in ms."""
        return {name: int(ms) for name, ms in read_hash(self._client, keys.REFRESHED).items()}

    def exports(self) -> set[str]:
        """The names of all exports, those too whose definition this version can't read."""
        return set(cast("list[str]", self._client.hkeys(keys.CATALOG_EXPORTS)))

    def note(
        self, place: Place, export: str, before: str, after: Fired | Expected | None, *, late: str = ""
    ) -> bool:
        """Put something in the place of what was read; False if that is not there any more.

        In the same step people are told of a refresh that is `late`, if one is.
        """
        text = "" if after is None else msgspec.json.encode(after).decode()
        return bool(self._transitions.call("note_time", place, export, before, text, late))

    def forget_refreshes(self, exports: Collection[str]) -> None:
        """Forget the refreshes of exports that are no more."""
        if exports:
            self._client.hdel(keys.REFRESHED, *exports)


def moment(ms: int) -> datetime:
    """A time of Redis' as one of ours."""
    return datetime.fromtimestamp(ms / 1000, UTC)
