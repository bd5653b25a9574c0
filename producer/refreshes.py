"""Notices that a refresh which was expected did not come."""

from datetime import datetime

import msgspec
import structlog

from producer.application import Producer
from worker.exports.definitions import Export, why_inactive
from worker.exports.schedules import is_late
from worker.state.timetable import Expected, moment

log = structlog.get_logger()


class Refreshes:
    """Watches the exports that expect one.

    A period begins with the last refresh that created a run, or when the export began to expect one, and is
    told of once, in the step that notes it.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._timetable = producer.timetable

    def look(self, now: datetime | None = None) -> None:
        """Tell people of every refresh that is late by now, once."""
        now = now or self._timetable.now()
        noted, refreshed = self._timetable.noted("expected"), self._timetable.refreshed()
        readable = self._producer.catalog.everything().exports
        expecting = {name: export for name, export in readable.items() if _expects(export)}
        for name, export in expecting.items():
            self._watch(export, noted.get(name, ""), refreshed.get(name, 0), now)
        existing = self._timetable.exports()
        for name in noted.keys() - expecting.keys():
            if name in readable or name not in existing:
                self._timetable.note("expected", name, noted[name], None)
        self._timetable.forget_refreshes(refreshed.keys() - existing)

    def _watch(self, export: Export, before: str, refreshed: int, now: datetime) -> None:
        if not before:
            self._timetable.note("expected", export.name, "", Expected(round(now.timestamp() * 1000)))
            return
        expected = msgspec.json.decode(before, type=Expected)
        since = max(expected.since, refreshed)
        if expected.told == since or not is_late(export.expect_refresh or "", moment(since), now):
            return
        told, late = Expected(expected.since, told=since), f"{export.name}@{since}"
        if self._timetable.note("expected", export.name, before, told, late=late):
            log.warning("refresh.late", export=export.name, since=moment(since).isoformat())


def _expects(export: Export) -> bool:
    """Whether a refresh of this export is waited for; of one that is disabled or detached none is."""
    return bool(export.expect_refresh) and not why_inactive(export)
