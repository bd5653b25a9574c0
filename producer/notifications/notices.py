"""What people are told: names of exports, counts, and the sentence that a run ended with. Nobody's data."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from producer.summary import left_out
from producer.wording import number
from worker.exports.channels import HELD, LATE
from worker.exports.outcomes import Outcome
from worker.exports.runs import RunDocument

TEST: Final = "test"

_ENDED: Final = "ended as"
_REMOVED: Final = "removed"


@dataclass(frozen=True)
class Notice:
    """What a channel is told. `id` is the same each time that this is sent to that channel."""

    id: str
    event: str
    export: str
    at: datetime
    reason: str
    link: str = ""
    run: RunDocument | None = None

    @property
    def kind(self) -> str:
        """The event by its full name: `run.partial`, `refresh.late`."""
        return (
            f"refresh.{LATE}" if self.event == LATE else TEST if self.event == TEST else f"run.{self.event}"
        )

    @property
    def headline(self) -> str:
        """What happened, in one line."""
        if self.event == LATE:
            return f"{self.export}: no refresh came"
        if self.event == TEST:
            return "segment-export: a test"
        return f"{self.export}: {'held' if self.event == HELD else f'{_ENDED} {self.event}'}"

    @property
    def counts(self) -> list[tuple[str, int]]:
        """The counts of a run that are above 0."""
        if self.run is None:
            return []
        names = ("read", *map(str, Outcome))
        counts = [(name, self.run.profiles[name]) for name in names]
        counts += [(_REMOVED, self.run.removed), ("resubscribed", self.run.resubscribed)]
        return [(name, count) for name, count in counts if count]

    @property
    def lines(self) -> list[str]:
        """All of it as lines of text, but for the headline."""
        told = ", ".join(f"{number(count)} {name}" for name, count in self.counts)
        look = f"segment-export status {self.run.run_id}" if self.run and not self.link else self.link
        return [line for line in (self.reason, told, look) if line]

    def document(self) -> dict[str, Any]:
        """All of it as JSON, in the form of Standard Webhooks."""
        data: dict[str, Any] = {"export": self.export, "reason": self.reason, "link": self.link or None}
        if self.run is not None:
            run = self.run
            data |= {"run_id": run.run_id, "status": self.event, "trigger": run.trigger.kind}
            data |= {"profiles": run.profiles, "removed": run.removed, "resubscribed": run.resubscribed}
        at = self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"type": self.kind, "timestamp": at, "data": data}


def reason_of(run: RunDocument) -> str:
    """The one sentence about how a run ended."""
    if run.error:
        return run.error
    if missing := left_out(run):
        return f"{number(missing)} of {number(run.profiles['read'])} profiles were left out."
    return "Every profile arrived." if run.profiles["read"] else "There was nothing to do."


def late_reason(export: str, expected: str, since: datetime) -> str:
    """The one sentence about a refresh that did not come."""
    within = f" within {expected}" if expected else ""
    return (
        f"No refresh of export {export} has come{within} since {since:%Y-%m-%d %H:%M} UTC: "
        "see whether the platform finished one, and whether it says so to segment-export."
    )
