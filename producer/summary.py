"""Runs as people read them: a few side by side in full, many as a table, and what is worth doing next."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from producer.wording import columns, moment, number, span, table
from worker.exports.outcomes import Outcome
from worker.exports.runs import Lint, RunDocument, Trigger

# what a report lists: all who were not created, updated or unchanged
LEFT_OUT: Final = (
    Outcome.INVALID,
    Outcome.DUPLICATE,
    Outcome.SUPPRESSED,
    Outcome.REJECTED,
    Outcome.FAILED,
)

_SIDE_BY_SIDE: Final = 2


def duration(run: RunDocument) -> timedelta | None:
    """How long a run took; None while it has not ended, or if it never began."""
    if run.started_at is None or run.finished_at is None:
        return None
    return datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)


def left_out(run: RunDocument) -> int:
    """How many profiles a run's report lists."""
    return sum(run.profiles[name] for name in LEFT_OUT)


def summary(runs: Sequence[RunDocument]) -> str:
    """How runs stand, and what to do about it."""
    shown = _in_full(runs) if len(runs) <= _SIDE_BY_SIDE else _outcomes(runs)
    lint = [lint_table(runs[0].lint)] if len(runs) == 1 and runs[0].lint else []
    return "\n\n".join([shown, *lint]) + "".join(f"\n{remark}" for remark in _remarks(runs))


def lint_table(lint: Mapping[str, Lint]) -> str:
    """What does not fit the merge fields, a row for each of them."""
    rows = [
        [tag, number(each.bad), number(each.missing), number(each.cut), ", ".join(each.rows)]
        for tag, each in lint.items()
    ]
    return table(["MERGE FIELD", "BAD VALUES", "MISSING", "CUT", "ROWS, FOR INSTANCE"], rows, right={1, 2, 3})


def list_of_runs(runs: Sequence[RunDocument]) -> str:
    """The table of `get runs`."""
    counts = ("read", Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED)
    header = ["RUN", "EXPORT", "STATUS", *map(str.upper, counts), "LEFT OUT", "STARTED (UTC)", "TOOK"]
    rows = [
        [
            run.run_id,
            run.export,
            run.status,
            *(number(run.profiles[name]) for name in counts),
            number(left_out(run)),
            moment(run.started_at),
            _duration(run),
        ]
        for run in runs
    ]
    return table(header, rows, right={3, 4, 5, 6, 7, 9})


_FACTS: Final[Sequence[tuple[str, Callable[[RunDocument], str]]]] = (
    ("run", lambda run: run.run_id),
    ("export", lambda run: run.export),
    ("trigger", lambda run: _trigger(run.trigger)),
    ("status", lambda run: run.status),
    ("started (UTC)", lambda run: moment(run.started_at)),
)
_FIGURES: Final[Sequence[tuple[str, Callable[[RunDocument], int]]]] = (
    ("removed", lambda run: run.removed),
    ("resubscribed", lambda run: run.resubscribed),
    ("chunks", lambda run: run.chunks.total),
    ("  done", lambda run: run.chunks.done),
    ("  failed", lambda run: run.chunks.failed),
    ("API calls", lambda run: run.api_calls),
)


def _trigger(trigger: Trigger) -> str:
    if trigger.retries:
        return f"{trigger.kind} of {trigger.retries}"
    return f"{trigger.kind} {trigger.refresh_id or ''}".rstrip()


def _in_full(runs: Sequence[RunDocument]) -> str:
    facts = [[label, *map(fact, runs)] for label, fact in (*_FACTS, ("duration", _duration))]
    rows = [row for row in facts if any(row[1:])]
    rows.append([""] * (len(runs) + 1))
    rows.append(["profiles read", *(number(run.profiles["read"]) for run in runs)])
    rows += [[f"  {name}", *(number(run.profiles[name]) for run in runs)] for name in Outcome]
    rows += [[label, *(number(figure(run)) for run in runs)] for label, figure in _FIGURES]
    return columns(rows, right=range(1, len(runs) + 1))


def _outcomes(runs: Sequence[RunDocument]) -> str:
    """A row for each run; what none of them has is left out."""
    names = [name for name in ("read", *Outcome) if any(run.profiles[name] for run in runs)]
    header = ["EXPORT", "STATUS", *map(str.upper, names), "DURATION"]
    rows = [
        [run.export, run.status, *(number(run.profiles[name]) for name in names), _duration(run)]
        for run in runs
    ]
    return table(header, rows, right=range(2, len(header)))


def _remarks(runs: Sequence[RunDocument]) -> Iterator[str]:
    if any(run.error or left_out(run) for run in runs):
        yield ""
    for run in runs:
        who = f"{run.export}: " if len(runs) > 1 else ""
        if run.error:
            yield f"{who}{run.error}"
        if left_out(run):
            yield f"{who}{number(left_out(run))} left out; who and why: segment-export rejected {run.run_id}"


def _duration(run: RunDocument) -> str:
    took = duration(run)
    return span(took) if took is not None else ""
