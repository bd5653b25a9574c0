"""What was injected when, and what stand-in, workers and ledger said: for whoever reads a failure."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.mailchimp_standin.reports import CallRecord

_SHOWN = 2_000


@dataclass(frozen=True, order=True)
class Line:
    """Something that happened, at seconds since the epoch."""

    at: float
    who: str
    what: str


@dataclass
class Timeline:
    """A round's notes."""

    began: float = field(default_factory=time.time)
    lines: list[Line] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Notes what the harness does just now."""
        self.lines.append(Line(time.time(), "chaos", what))

    def add(self, lines: Iterable[Line]) -> None:
        """Adds what others have noted."""
        self.lines.extend(lines)

    def told(self) -> str:
        """All of it in order, in seconds since the round began; the last lines, if there are very many."""
        shown = sorted(self.lines)
        left_out = max(0, len(shown) - _SHOWN)
        head = [f"(the first {left_out} lines are left out)"] if left_out else []
        body = [f"{line.at - self.began:8.3f}  {line.who:<8}  {line.what}" for line in shown[left_out:]]
        return "\n".join(head + body)


def of_calls(account: str, calls: Iterable[CallRecord]) -> Iterator[Line]:
    """What Mailchimp was asked and answered."""
    for call in calls:
        took = f"{(call.ended - call.started) * 1000:.0f} ms"
        answer = call.status or "reset"
        yield Line(
            call.started, "standin", f"{account} {call.endpoint} → {answer} after {took}, {call.open} open"
        )


def of_log(path: Path, start: int) -> Iterator[Line]:
    """What the workers said since a place in their log."""
    with path.open("rb") as log:
        log.seek(start)
        last = 0.0
        for raw in log:
            try:
                event = json.loads(raw)
                last = datetime.fromisoformat(event.pop("timestamp")).timestamp()
                yield Line(last, "worker", _shown(event))
            except (ValueError, KeyError, AttributeError):
                yield Line(last, "worker", raw.decode(errors="replace").rstrip())


def _shown(event: dict[str, Any]) -> str:
    what, level = event.pop("event", ""), event.pop("level", "info")
    for name in ("logger", "actor"):
        event.pop(name, None)
    facts = " ".join(f"{name}={value}" for name, value in event.items())
    return f"{'' if level == 'info' else level.upper() + ' '}{what} {facts}"


def of_ledger(text: str) -> Line:
    """What stands in the ledger now."""
    return Line(time.time(), "ledger", text)
