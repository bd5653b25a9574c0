"""How much of the rate that ten connections allow is used: `python -m bench.latency`."""

import argparse
import math
import statistics
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bench.measuring import (
    REFRESH,
    await_workers,
    check,
    ended,
    machine,
    one_segment,
    producer_of,
    say,
    say_table,
    send_refresh,
)
from tests.mailchimp_standin.reports import CallRecord
from tests.profiles import Shape, customers
from tests.system import System

PROCESSES: Final = 2
SLOTS: Final = 10
PRIMERS: Final = 10
GOAL: Final = 0.97
UPLOAD: Final = "POST /lists/{list_id}"


@dataclass(frozen=True)
class Round:
    """Seconds that one run took, by two clocks; how long its slots were in use; most calls open at once."""

    theory: float
    run: float
    uploads: float
    in_use: float
    high_water: int

    @property
    def of_run(self) -> float:
        """Share of the theoretical rate, from the run's start to its end: planning and finishing count."""
        return self.theory / self.run

    @property
    def of_uploads(self) -> float:
        """Share of the theoretical rate, from the first call's arrival to the last one's end."""
        return self.theory / self.uploads


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.3, 1.0], help="seconds a call takes")
    parser.add_argument("--spread", type=float, default=0.0, help="how far a call may be off, as a share")
    options = parser.parse_args()
    say(f"{options.profiles:,} unique profiles, {options.repeat} rounds each; {machine()}\n")
    found = dict[float, list[Round]]()
    for latency in options.latency:
        for _ in range(options.repeat):
            one = measured(options.profiles, latency, options.spread)
            found.setdefault(latency, []).append(one)
            say(f"{latency:g} s a call: {shown(one)}")
    report(found)


def measured(profiles: int, latency: float, spread: float) -> Round:
    """One run of profiles that are all valid and all different, to an audience that is known already."""
    with System(processes=PROCESSES, answers="brief") as system:
        system.reset()
        source = system.data / "loyal-customers.parquet"
        table = customers(PRIMERS + profiles, shape=Shape(malformed=0, duplicate=0, refused=0))
        system.apply(one_segment(source))
        await_workers(system, PROCESSES)
        with producer_of(system) as producer:
            # how an audience takes what it is sent is found out once, before its very first export
            table[:PRIMERS].write_parquet(source)
            ended(system, send_refresh(producer, f"{REFRESH}-first"))
            table.write_parquet(source)
            system.standin.reset_statistics()
            system.standin.set_latency((latency * (1 - spread), latency * (1 + spread)))
            run = ended(system, send_refresh(producer, REFRESH))
        check(run.profiles["created"] + run.profiles["updated"] == profiles, "every profile was delivered")
        check(len(system.standin.audience()) == PRIMERS + profiles, "everybody has arrived")
        calls = [call for call in system.standin.account().calls() if call.endpoint == UPLOAD]
        high_water = system.standin.account().high_water()
    check(high_water <= SLOTS, f"never more than {SLOTS} calls were open: {high_water}")
    return Round(
        theory=math.ceil(len(calls) / SLOTS) * latency,
        run=seconds_between(run.started_at, run.finished_at),
        uploads=max(call.ended for call in calls) - min(call.started for call in calls),
        in_use=in_use(calls),
        high_water=high_water,
    )


def in_use(calls: list[CallRecord]) -> float:
    """Share of the slots' time in which a call was open, from the first call's arrival to the last one's."""
    began, last = min(call.started for call in calls), max(call.started for call in calls)
    open_for = sum(min(call.ended, last) - call.started for call in calls)
    return open_for / (SLOTS * (last - began))


def seconds_between(before: str | None, after: str | None) -> float:
    """Between two moments of a run document."""
    assert before
    assert after
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def shown(one: Round) -> str:
    return (
        f"{one.of_uploads:.3f} of the theoretical rate from first to last call ({one.uploads:.2f} s against "
        f"{one.theory:.1f} s), {one.of_run:.3f} of the whole run ({one.run:.2f} s), slots in use "
        f"{one.in_use:.3f}, at most {one.high_water} calls open"
    )


def report(found: dict[float, list[Round]]) -> None:
    """Medians for each latency."""
    say("\nMedians:\n")
    rows = []
    for latency, rounds in found.items():
        share = statistics.median(one.of_uploads for one in rounds)
        rows.append(
            (
                f"{latency:g} s",
                f"{rounds[0].theory:.1f} s",
                f"{statistics.median(one.uploads for one in rounds):.2f} s",
                f"{share:.3f} ({'met' if share >= GOAL else 'missed'})",
                f"{statistics.median(one.run for one in rounds):.2f} s",
                f"{statistics.median(one.of_run for one in rounds):.3f}",
                f"{statistics.median(one.in_use for one in rounds):.3f}",
                f"{max(one.high_water for one in rounds)}",
            )
        )
    header = ("a call", "in theory", "uploads", f"share (goal {GOAL})", "whole run", "share", "slots in use")
    say_table((*header, "most calls open"), rows)


if __name__ == "__main__":
    main()
