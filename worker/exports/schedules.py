"""When a schedule is due. Pure: the caller reads the clock.

A cron line is read as a clock on the wall of its time zone shows it, and each moment of that wall fires once:

- of an hour that comes twice, when clocks are put back, the first counts, and the second one is silent;
- what falls into an hour that is left out, when clocks are put forward, is due once, at its end.

So nothing fires twice and nothing is forgotten, whatever a government decides.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ON_REFRESH: Final = "on_refresh"
MANUAL: Final = "manual"

_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_FIELDS: Final = 5
_LONGEST: Final = 200
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)


class NotACronLine(ValueError):
    """A text that is no schedule; its own text is the fault in a few words."""


def is_schedule(run: str) -> bool:
    """Whether what an export says of how it is run is a cron line."""
    return run not in {ON_REFRESH, MANUAL}


def check_cron(line: str) -> None:
    """See that a cron line can be followed.

    Raises:
        NotACronLine: it can't.
    """
    fields = len(line.split())
    if fields != _FIELDS or len(line) > _LONGEST:
        raise NotACronLine(f"{fields} fields" if fields != 1 else "1 field")
    try:
        soonest = next(CronSim(line, datetime(2024, 1, 1)), None)  # noqa: DTZ001 - what a wall shows has no zone
    except (CronSimError, AssertionError) as fault:
        # it asserts where a step is given to a word
        raise NotACronLine(str(fault).lower() or "a bad step") from None
    if soonest is None:
        raise NotACronLine("a day that never comes")


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def span(text: str) -> timedelta:
    """Hours or days as definitions have them: `26h`, `2d`."""
    return int(text[:-1]) * _UNITS[text[-1]]


def is_late(expect: str, since: datetime, now: datetime) -> bool:
    """Whether a refresh that is expected within a span, counted from `since`, did not come by now."""
    return now - since >= span(expect)


def due(cron: str, time_zone: str, last: datetime, now: datetime) -> datetime | None:
    """The newest moment after `last`, up to `now`, at which a schedule is due; None if there is none.

    Older ones that were missed are left out: they fire once.
    """
    upcoming = following(cron, time_zone, last)
    if upcoming is None or upcoming > now:
        return None
    return _newest(cron, ZoneInfo(time_zone), now)


@lru_cache(maxsize=4096)
def following(cron: str, time_zone: str, after: datetime) -> datetime | None:
    """The first moment after `after` at which a schedule is due; None if it never is again."""
    zone = ZoneInfo(time_zone)
    wall = after.astimezone(zone).replace(tzinfo=None, fold=0)
    moments = (_moment(each, zone) for each in CronSim(cron, wall - _SECOND))
    return next((moment for moment in moments if moment > after), None)


def _newest(cron: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    moments = (_moment(wall, zone) for wall in _walls_until(cron, now.astimezone(zone)))
    return next((moment for moment in moments if moment <= now), None)


def _walls_until(cron: str, local: datetime) -> Iterator[datetime]:
    """What the wall shows when the line is due, newest first, from the latest that may have been by now."""
    first = local.replace(fold=0).utcoffset() or timedelta()
    put_back = first - (local.utcoffset() or timedelta())
    wall = local.replace(tzinfo=None, microsecond=0, fold=0)
    return CronSim(cron, wall + put_back + _SECOND, reverse=True)


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the wall shows this for the first time; the end of the gap if it never does."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    while moment.astimezone(zone).replace(tzinfo=None) != wall:
        wall += _MINUTE
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment
