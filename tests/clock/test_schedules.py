"""When a schedule is due: as a table, and against a slow reading of a clock on the wall."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.exports.schedules import due, following

BERLIN = "Europe/Berlin"
MINUTE = timedelta(minutes=1)
ZONES = (
    "UTC",
    BERLIN,
    "America/New_York",
    "America/Santiago",  # changes at midnight
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Kathmandu",
)
CRONS = (
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0,30 1-3 * * *",
    "*/20 2 * * *",
    "0 0 * * *",
    "30 0 * * 0",
    "59 23 L * *",
    "0 3 29 2 *",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("cron", "zone", "last", "now", "expected"),
    [
        pytest.param("0 6 * * *", "UTC", "2026-11-24T06:00", "2026-11-25T05:59", None, id="not yet"),
        pytest.param(
            "0 6 * * *", "UTC", "2026-11-24T06:00", "2026-11-25T06:00", "2026-11-25T06:00", id="on the minute"
        ),
        pytest.param("0 6 * * *", "UTC", "2026-11-25T06:00", "2026-11-25T06:01", None, id="fired already"),
        pytest.param(
            "0 6 * * *",
            "UTC",
            "2026-11-01T06:00",
            "2026-11-25T07:00",
            "2026-11-25T06:00",
            id="the newest missed",
        ),
        pytest.param(
            "0 6 * * *",
            BERLIN,
            "2026-11-24T06:00",
            "2026-11-25T05:00",
            "2026-11-25T05:00",
            id="winter in Berlin",
        ),
        pytest.param(
            "0 6 * * *",
            BERLIN,
            "2026-07-24T06:00",
            "2026-07-25T05:00",
            "2026-07-25T04:00",
            id="summer in Berlin",
        ),
        # 02:30 is left out on the 28th of March: it is due at 03:00, which is 01:00 in UTC
        pytest.param(
            "30 2 * * *",
            BERLIN,
            "2027-03-27T12:00",
            "2027-03-28T01:00",
            "2027-03-28T01:00",
            id="hour left out",
        ),
        pytest.param(
            "30 2 * * *", BERLIN, "2027-03-28T01:00", "2027-03-28T22:00", None, id="left out, and done"
        ),
        # 02:30 comes twice on the 31st of October: 00:30 and 01:30 in UTC
        pytest.param(
            "30 2 * * *", BERLIN, "2027-10-30T12:00", "2027-10-31T02:00", "2027-10-31T00:30", id="hour twice"
        ),
        pytest.param(
            "30 2 * * *", BERLIN, "2027-10-31T00:30", "2027-10-31T22:00", None, id="twice, and done"
        ),
        pytest.param(
            "*/15 * * * *", BERLIN, "2027-10-31T00:45", "2027-10-31T01:50", None, id="the second is silent"
        ),
        pytest.param(
            "0 6 29 2 *",
            "UTC",
            "2024-02-29T06:00",
            "2028-03-01T00:00",
            "2028-02-29T06:00",
            id="every four years",
        ),
        # Samoa left out a whole day
        pytest.param(
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T19:00",
            "2011-12-30T10:30",
            "2011-12-30T10:00",
            id="a day left out",
        ),
    ],
)
def test_what_is_due(cron: str, zone: str, last: str, now: str, expected: str | None) -> None:
    assert due(cron, zone, at(last), at(now)) == (at(expected) if expected else None)


moments = st.integers(0, 3_000_000).map(lambda minutes: at("2024-01-01T00:00") + minutes * MINUTE)
changes = st.sampled_from(
    [
        at("2026-03-29T00:30"),
        at("2026-10-25T00:10"),
        at("2026-03-08T06:30"),
        at("2026-11-01T05:30"),
        at("2026-04-05T02:30"),
        at("2026-09-06T03:30"),
        at("2026-04-04T14:30"),
        at("2026-10-03T15:10"),
    ]
)
starts = moments | st.builds(
    lambda change, minutes: change + minutes * MINUTE, changes, st.integers(-180, 180)
)


def on_the_wall(cron: str, zone_name: str, first: datetime, minutes: int) -> set[datetime]:
    """Each minute's reading of the wall's clock, slowly: which of them are due, first readings only."""
    zone, start = ZoneInfo(zone_name), first.replace(second=0, microsecond=0)
    seen: set[datetime] = set()
    found: set[datetime] = set()
    # from a day before, so that it is known what was shown already
    latest = start - timedelta(days=1)
    before = latest.astimezone(zone).replace(tzinfo=None)
    while latest < start + minutes * MINUTE:
        latest += MINUTE
        wall = latest.astimezone(zone).replace(tzinfo=None)
        skipped = max(1, (wall - before) // MINUTE)
        shown = {wall - step * MINUTE for step in range(skipped)} - seen
        seen |= shown
        before = wall
        if any(next(CronSim(cron, each - MINUTE)) == each for each in shown):
            found.add(latest)
    return {moment for moment in found if moment > first}


@settings(max_examples=60, deadline=None)
@given(cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), start=starts)
def test_every_moment_of_the_wall_fires_once_and_none_is_forgotten(
    cron: str, zone: str, start: datetime
) -> None:
    fired, last = [], start
    for minute in range(1, 301):
        now = start + minute * MINUTE
        if moment := due(cron, zone, last, now):
            assert last < moment <= now
            fired.append(moment)
            last = moment
    assert len(set(fired)) == len(fired)
    expected = {moment for moment in on_the_wall(cron, zone, start, 302) if moment <= start + 300 * MINUTE}
    assert set(fired) == expected


@settings(max_examples=200, deadline=None)
@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    start=starts,
    downtime=st.timedeltas(timedelta(), timedelta(days=40)),
)
def test_after_a_downtime_the_newest_fires_and_then_nothing(
    cron: str, zone: str, start: datetime, downtime: timedelta
) -> None:
    now = start + downtime
    newest = due(cron, zone, start, now)
    if newest is None:
        soonest = following(cron, zone, start)
        assert soonest is None or soonest > now
        return
    assert start < newest <= now
    assert due(cron, zone, newest, now) is None
    after = following(cron, zone, newest)
    assert after is None or after > now
