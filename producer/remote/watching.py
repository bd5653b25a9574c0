"""Runs of another installation, followed by asking for them again and again.

The events that the API streams tell of one run each; asking is the same for one run and for fifty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from producer.desk import AnyDesk
from producer.following import Follower
from producer.operations.connections import show_connection
from producer.operations.documents import ConnectionView
from producer.operations.exports import show_export
from producer.operations.runs import show_run
from worker.errors import UsageError
from worker.exports.runs import RunDocument
from worker.state.slots import ConnectionState

_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Far:
    """Where the follower looks: at what the operations show."""

    desk: AnyDesk

    def document(self, run_id: str) -> RunDocument:
        """How a run stands."""
        return show_run(self.desk, run_id)

    def connection(self, run: RunDocument) -> str:
        """The connection of the run's export, as it is now."""
        try:
            return show_export(self.desk, run.export).connection or ""
        except UsageError:  # it may be gone
            return ""

    def state(self, connection: str) -> ConnectionState | None:
        """How a connection stands, for an administrator; others don't see it."""
        try:
            view = show_connection(self.desk, connection)
        except UsageError:
            return None
        if not isinstance(view, ConnectionView):
            return None
        standing = view.standing
        return ConnectionState(
            limit=standing.limit,
            max=view.max_connections,
            open=standing.open,
            paused=standing.state == "paused",
            cooling_ms=int(standing.state == "cooling"),
        )


def watch(desk: AnyDesk, run_ids: Sequence[str]) -> Follower:
    """A follower of runs that are there.

    Raises:
        NotThere: one of them is not.
    """
    source = _Far(desk)
    for run_id in run_ids:
        source.document(run_id)
    return Follower(source, run_ids, every=_EVERY)
