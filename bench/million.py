"""A million profiles to a stand-in without latency, beside the same by hand: `python -m bench.million`."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from bench.measuring import (
    REFRESH,
    TAG,
    Figures,
    Meter,
    await_workers,
    check,
    ended,
    machine,
    median,
    moments,
    one_segment,
    producer_of,
    say,
    say_table,
    send_refresh,
)
from tests.mailchimp_standin import API_KEY, LIST_ID
from tests.profiles import MALFORMED, REFUSED_DOMAIN, customers
from tests.system import ROOT, System

PROCESSES: Final = 2
OURS: Final = "segment-export"
GOALS: Final = {"wall": 10.0, "cpu": 13.0, "peak": 450.0}
FIGURES: Final = {
    "wall": "wall time, s",
    "cpu": "CPU time, s",
    "peak": "peak memory of the largest process, MB",
    "standin": "CPU time of the stand-in, s",
    "valkey": "CPU time of Valkey, s",
    "others": "CPU time of everything else on the machine, s",
}
PHASES: Final = {
    "plan.surveyed": "first pass over the profiles done",
    "chunk.settled": "first chunk delivered",
    "plan.sealed": "last chunk staged",
    "run.finished": "run ended",
}


@dataclass(frozen=True)
class Contest:
    """One system, the same profiles in two files, and how many members they must become."""

    system: System
    profiles: int
    wanted: int

    @property
    def parquet(self) -> Path:
        return self.system.data / "loyal-customers.parquet"

    @property
    def csv(self) -> Path:
        return self.system.data / "loyal-customers.csv"


@dataclass(frozen=True)
class Round:
    """What one contestant took; `phases` are seconds after the event."""

    figures: Figures
    phases: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.million", description=__doc__)
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="leave out what is done by hand")
    options = parser.parse_args()
    say(f"{options.profiles:,} profiles, {options.repeat} rounds each, in turns; {machine()}\n")
    with System(workers=0, processes=PROCESSES, answers="brief") as system:
        contest = prepared(system, options.profiles)
        found = {name: list[Round]() for name in CONTESTANTS if name == OURS or not options.alone}
        for number in range(1, options.repeat + 1):
            for name, rounds in found.items():
                system.reset()
                rounds.append(CONTESTANTS[name](contest))
                say(f"round {number}, {name + ':':16} {shown(rounds[-1].figures)}")
    report(found)


def prepared(system: System, profiles: int) -> Contest:
    table = customers(profiles)
    contest = Contest(system, profiles, deliverable(table))
    table.write_parquet(contest.parquet)
    table.write_csv(contest.csv)
    return contest


def deliverable(table: pl.DataFrame) -> int:
    """How many members the audience must have in the end."""
    emails = table["email"].str.strip_chars()
    usable = ~emails.is_in(MALFORMED) & ~emails.str.ends_with(f"@{REFUSED_DOMAIN}")
    return emails.filter(usable).str.to_lowercase().n_unique()


def one_run(contest: Contest) -> Round:
    """A run with workers that have just been started."""
    system = contest.system
    system.apply(one_segment(contest.parquet))
    worker = system.start_worker()
    await_workers(system, PROCESSES)
    with producer_of(system) as producer:
        began, meter = time.time(), Meter(system, worker.pid)
        run_id = send_refresh(producer, REFRESH)
        run = ended(system, run_id)
        figures = meter.read()
    system.kill_worker(worker)
    check(run.profiles["read"] == contest.profiles, f"all profiles were read: {run.profiles}")
    # a call that broke off is made again, and finds its members there
    check_audience(contest, run.profiles["created"] + run.profiles["updated"])
    logged = moments(system.log, run_id)
    return Round(figures, {event: logged[event] - began for event in PHASES})


def by_frame(contest: Contest) -> Round:
    return by_hand(contest, contest.parquet)


def by_csv(contest: Contest) -> Round:
    return by_hand(contest, contest.csv)


def by_hand(contest: Contest, path: Path) -> Round:
    """The same by a script of a user's own."""
    system = contest.system
    command = [
        *(sys.executable, "-m", "bench.by_hand", str(path), "--tag", TAG),
        *("--url", system.standin.url, "--api-key", API_KEY, "--audience", LIST_ID),
    ]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=system.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:
        assert script.stdin
        assert script.stdout
        check(script.stdout.readline() == "ready\n", "the script by hand has started")
        meter = Meter(system, script.pid)
        print(file=script.stdin, flush=True)
        counts = json.loads(script.stdout.readline() or '{"total_created": 0}')
        figures = meter.read()
        print(file=script.stdin, flush=True)
    check_audience(contest, counts["total_created"])
    return Round(figures, {})


def check_audience(contest: Contest, delivered: int) -> None:
    held = len(contest.system.standin.audience())
    check(
        delivered == held == contest.wanted,
        f"all {contest.wanted:,} members have arrived ({delivered:,} were delivered, {held:,} are there)",
    )


CONTESTANTS: Final[Mapping[str, Callable[[Contest], Round]]] = {
    OURS: one_run,
    "by hand, polars": by_frame,
    "by hand, csv": by_csv,
}


def shown(figures: Figures) -> str:
    return (
        f"{figures.wall:5.1f} s wall, {figures.cpu:5.1f} CPU s, {figures.peak:5.0f} MB, stand-in "
        f"{figures.standin:.1f} s, Valkey {figures.valkey:.1f} s, others {figures.others:.1f} s"
    )


def report(found: Mapping[str, Sequence[Round]]) -> None:
    """Medians side by side, and of how many times ours is the better one."""
    rounds = found[OURS]
    medians = {name: median([each.figures for each in theirs]) for name, theirs in found.items()}
    ours = medians.pop(OURS)
    rows = [
        (
            label,
            f"{getattr(ours, name):.1f}",
            verdict(getattr(ours, name), GOALS.get(name)),
            *(compared(getattr(theirs, name), getattr(ours, name)) for theirs in medians.values()),
        )
        for name, label in FIGURES.items()
    ]
    say(f"\nMedians of {len(rounds)}; in brackets, how many times ours:\n")
    say_table(("", OURS, "goal", *medians), rows)
    say("\nSeconds after the event, medians:\n")
    say_table(
        ("", "s"),
        [
            (label, f"{statistics.median(each.phases[event] for each in rounds):.1f}")
            for event, label in PHASES.items()
        ],
    )


def verdict(value: float, goal: float | None) -> str:
    return "" if goal is None else f"≤ {goal:g}: {'met' if value <= goal else 'missed'}"


def compared(theirs: float, ours: float) -> str:
    return f"{theirs:.1f} ({theirs / ours:.1f} ×)" if ours else f"{theirs:.1f}"


if __name__ == "__main__":
    main()
