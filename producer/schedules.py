"""Starts runs of exports that have a schedule, however many clocks look at it."""

import hashlib
from datetime import datetime
from typing import Final

import msgspec
import structlog

from producer.application import Producer
from worker.exports.definitions import Export, why_inactive
from worker.exports.runs import Trigger
from worker.exports.schedules import due, is_schedule
from worker.state.timetable import Fired, moment

log = structlog.get_logger()

_SCHEDULE: Final = Trigger("schedule")


class Schedules:
    """Fires what is due.

    The run's id follows from the export and the moment, and a run of an id is created once; so two clocks
    that see the same moment make one run. Only then the moment is noted, if nobody else did: a clock that is
    killed in between leaves a moment that is still due, whose run is there already.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._timetable = producer.timetable

    def look(self, now: datetime | None = None) -> None:
        """Fire what is due now, and begin to count for lines that are new."""
        now = now or self._timetable.now()
        noted = self._timetable.noted("schedules")
        readable = self._producer.catalog.everything().exports
        scheduled = {name: export for name, export in readable.items() if is_scheduled(export)}
        for name in noted.keys() - scheduled.keys():
            # what only a newer version can read is left to it
            if name in readable or name not in self._timetable.exports():
                self._timetable.note("schedules", name, noted[name], None)
        for name, export in scheduled.items():
            self._tend(export, noted.get(name, ""), now)

    def _tend(self, export: Export, before: str, now: datetime) -> None:
        fired = msgspec.json.decode(before, type=Fired) if before else None
        if fired is None or (fired.cron, fired.time_zone) != (export.run, export.time_zone):
            self._note(export, before, now)
            return
        at = due(export.run, export.time_zone, moment(fired.last), now)
        if at is None:
            return
        self._start(export.name, at)
        self._note(export, before, at)

    def _start(self, export: str, at: datetime) -> None:
        run_id, bells = self._producer.runs.create(run_id_of(export, at), export=export, trigger=_SCHEDULE)
        self._producer.ring(bells)
        log.info("schedule.fired", export=export, run=run_id, due=at.isoformat())

    def _note(self, export: Export, before: str, at: datetime) -> None:
        last = Fired(export.run, export.time_zone, round(at.timestamp() * 1000))
        self._timetable.note("schedules", export.name, before, last)


def is_scheduled(export: Export) -> bool:
    """Whether a schedule runs this export; one that is disabled or detached counts anew when it is back."""
    return is_schedule(export.run) and not why_inactive(export)


def run_id_of(export: str, at: datetime) -> str:
    """The id of the run of an export that is due at a moment: the same wherever it is asked."""
    whose = hashlib.sha256(f"{export} {at.timestamp():.0f}".encode()).hexdigest()
    return f"{at:%Y%m%d-%H%M%S}-{whose[:16]}"
