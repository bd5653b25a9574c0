"""What starts runs: a refresh that finished, or a person who asks. The same for every door."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from producer.application import Producer
from worker.errors import Conflicts, UsageError
from worker.exports.definitions import Export, why_inactive
from worker.exports.runs import RunDocument, Trigger, new_run_id
from worker.exports.schedules import MANUAL
from worker.exports.wording import close_matches

# it becomes a part of paths and of Redis keys
_REFRESH_ID: Final = re.compile(r"[A-Za-z0-9._:+-]{1,200}", re.ASCII)
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a finished refresh led to: a run for each export that listens, and segments that nobody knows."""

    runs: tuple[RunDocument, ...]
    unknown: tuple[str, ...]


def refresh_finished(
    producer: Producer, refresh_id: str, segments: Collection[str] | None = None
) -> Refreshed:
    """Start the exports that run on a refresh of these segments, or of all segments for None.

    The same refresh of the same segments again gives the runs that it led to before.

    Raises:
        UsageError: the id can't be used, or none of the segments is in the catalog; nothing was started.
    """
    _check(refresh_id)
    refreshed = None if segments is None else set(segments)
    unknown = _unknown(producer, refreshed or set())
    trigger = Trigger("refresh", refresh_id)
    runs = [
        _start(
            producer,
            export.name,
            trigger,
            segments=[name for name in export.segments if refreshed is None or name in refreshed],
        )
        for export in producer.catalog.exports_for(refreshed)
    ]
    return Refreshed(tuple(runs), unknown)


def run_export(producer: Producer, name: str, *, full: bool = False) -> RunDocument:
    """Start one export on demand.

    Raises:
        UsageError: there is no export of that name, or it is detached or disabled.
    """
    export = producer.catalog.export(name)
    if inactive := why_inactive(export):
        raise Conflicts(inactive)
    return _start(producer, export.name, Trigger("manual"), full=full)


def run_all(
    producer: Producer, *, full: bool = False, wanted: Callable[[Export], bool] | None = None
) -> list[RunDocument]:
    """Start all exports that run by themselves, on a refresh or a schedule, on demand.

    Those with `run: manual` are left out, and so are those that are detached or disabled.

    `wanted` leaves out others.
    """
    names = [
        export.name
        for export in producer.catalog.exports()
        if export.run != MANUAL and not why_inactive(export) and (wanted is None or wanted(export))
    ]
    return [_start(producer, name, Trigger("manual"), full=full) for name in names]


def unknown_segments(names: Iterable[str], known: Collection[str]) -> str:
    """The sentence about segments that are not in the catalog; names are shown cut and escaped."""
    listed = sorted(names)
    shown = ", ".join(f"{name!r:.80}" for name in listed[:_NAMED])
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    subject = f"Segment {shown} is" if len(listed) == 1 else f"Segments {shown}{more} are"
    meant = close_matches(listed[0], known) if len(listed) == 1 else ""
    return f"{subject} not in the catalog{meant or ': apply a file that declares it, or correct the name.'}"


def usable_refresh_id(text: str) -> bool:
    """Whether a text can be a refresh's id."""
    return bool(_REFRESH_ID.fullmatch(text)) and ".." not in text


def _check(refresh_id: str) -> None:
    if not usable_refresh_id(refresh_id):
        raise UsageError(
            f"The refresh id {refresh_id!r:.80} can't be used: "
            "give 1 to 200 letters, digits, '.', '_', ':', '+' and '-', without '..'."
        )


def _unknown(producer: Producer, refreshed: set[str]) -> tuple[str, ...]:
    known = {segment.name for segment in producer.catalog.segments()} if refreshed else set()
    unknown = refreshed - known
    if unknown and unknown == refreshed:
        raise UsageError(unknown_segments(unknown, known))
    return tuple(sorted(unknown))


def _start(
    producer: Producer, export: str, trigger: Trigger, *, segments: Sequence[str] = (), full: bool = False
) -> RunDocument:
    run_id, bells = producer.runs.create(
        new_run_id(datetime.now(UTC)), export=export, trigger=trigger, segments=segments, full=full
    )
    producer.ring(bells)
    return producer.runs.document(run_id)
