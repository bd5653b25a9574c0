"""A finished refresh, told by a person; events of other systems are known by their signature instead."""

from collections.abc import Collection

from producer import events
from producer.desk import Desk, operation
from producer.events import Refreshed


@operation
def refresh_finished(desk: Desk, refresh_id: str, segments: Collection[str] | None = None) -> Refreshed:
    """Starts the exports that run on a refresh of these segments, or of all segments for None."""
    refreshed = events.refresh_finished(desk.producer, refresh_id, segments)
    listed = sorted(segments) if segments is not None else None
    started = [run.run_id for run in refreshed.runs]
    desk.record("refresh_finished", f"refresh {refresh_id}", after={"segments": listed, "runs": started})
    return refreshed
