"""What many rounds injected, found and measured; printed as the tables of docs/reliability.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.chaos.schedule import Kind


@dataclass
class Tally:
    """Counts over rounds that passed; in those nothing was lost. Recoveries are in seconds."""

    rounds: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    profiles: int = 0
    calls: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    worker_recoveries: list[float] = field(default_factory=list)
    redis_recoveries: list[float] = field(default_factory=list)
    settling: list[float] = field(default_factory=list)
    most_open: Counter[int] = field(default_factory=Counter)
    stranded: int = 0

    def add(self, other: "Tally") -> None:
        """Takes the counts of another tally over."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if name == "most_open":
                for limit, seen in other.most_open.items():
                    self.most_open[limit] = max(self.most_open[limit], seen)
            elif isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)

    def told(self) -> str:
        """Markdown for people and for docs/reliability.md."""
        return "\n".join([*self._faults(), "", *self._figures()])

    def _faults(self) -> list[str]:
        kinds = [(str(kind), self.injected[kind]) for kind in Kind]
        rows = [
            *kinds,
            *((f"— {name}", count) for name, count in sorted(self.answers.items())),
            *((f"— step: {name}", count) for name, count in sorted(self.steps.items())),
        ]
        return ["| fault | injected |", "| --- | --- |", *(f"| {name} | {count:,} |" for name, count in rows)]

    def _figures(self) -> list[str]:
        opened = ", ".join(f"{seen} of {limit}" for limit, seen in sorted(self.most_open.items()))
        runs = ", ".join(f"{count:,} {status}" for status, count in sorted(self.runs.items()))
        rows = {
            "rounds passed": f"{self.rounds:,}",
            "runs": runs,
            "profiles exported": f"{self.profiles:,}",
            "calls": f"{self.calls:,}",
            "from a worker's death until all it held is delivered": _spread(self.worker_recoveries),
            "from Valkey's return until every process is at work": _spread(self.redis_recoveries),
            "from the last fault's end until all runs have ended": _spread(self.settling),
            "most calls open at once, by limit": opened,
            "messages fetched and never delivered (only a time lost)": f"{self.stranded:,}",
        }
        return ["| figure | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "not measured"
    return f"{median(seconds):.1f} s (median of {len(seconds):,}), at most {max(seconds):.1f} s"
