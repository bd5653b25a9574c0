"""What a Redis costs that is killed and comes back: `python -m bench.outage`."""

import argparse
import time
from dataclasses import dataclass
from typing import Final

from bench.measuring import (
    REFRESH,
    ended,
    machine,
    producer_of,
    say,
    say_table,
    send_refresh,
    two_segments_ready,
)
from tests.fundamentals.audit import assert_exact
from tests.profiles import Segments, segments
from tests.system import System, wait_until

WORKERS: Final = 2
GOAL: Final = 5.0
# as many chunks as there are slots: each of them works again
SLOTS: Final = 10


@dataclass(frozen=True)
class Round:
    """Seconds for the run, for the outage itself, and from its end to the next chunk and to ten of them."""

    whole: float
    away: float = 0
    first: float = 0
    ten: float = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--profiles", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds a call takes")
    parser.add_argument("--away", type=float, nargs="+", default=[0, 5, 15, 40], help="seconds")
    options = parser.parse_args()
    say(f"{options.profiles:,} profiles, {options.latency:g} s a call, {WORKERS} workers; {machine()}\n")
    made = segments(options.profiles)
    calm = measured(made, options.latency, None)
    rows = [("none", f"{calm.whole:.1f} s", "", "", "")]
    for away in options.away:
        found = measured(made, options.latency, away)
        verdict = "met" if found.first <= GOAL else "missed"
        cost = found.whole - found.away - calm.whole
        row = (f"{found.away:.1f} s", f"{found.whole:.1f} s", f"{found.first:.1f} s ({verdict})")
        rows.append((*row, f"{found.ten:.1f} s", f"{cost:.1f} s"))
    header = ("Redis away", "whole run", f"to the next chunk (goal {GOAL:g} s)", f"to {SLOTS} chunks")
    say_table((*header, "cost beside the time away"), rows)


def measured(made: Segments, latency: float, away: float | None) -> Round:
    """A run on two workers with leases as set by default; the audience must be exact."""
    with two_segments_ready(made, latency, WORKERS) as system:
        with producer_of(system) as producer:
            began = time.monotonic()
            run_id = send_refresh(producer, REFRESH)
            found = Round(0) if away is None else disturbed(system, run_id, away)
            run = ended(system, run_id)
            whole = time.monotonic() - began
        assert_exact(system, run, made)
        return Round(whole, found.away, found.first, found.ten)


def disturbed(system: System, run_id: str, away: float) -> Round:
    """Kills the Valkey when a third of the chunks are delivered, and starts it again."""

    def done() -> int:
        return system.runs.document(run_id).chunks.done

    total = wait_for_plan(system, run_id)
    wait_until(lambda: done() >= total / 3, "a third of the chunks is delivered", timeout=600)
    began = time.monotonic()
    system.valkey.terminate()
    time.sleep(away)
    system.valkey.start()
    back, before = time.monotonic(), done()
    wait_until(lambda: done() > before, "the run goes on", timeout=600)
    first = time.monotonic()
    wait_until(lambda: done() >= before + SLOTS, "it goes on as before", timeout=600)
    return Round(0, back - began, first - back, time.monotonic() - back)


def wait_for_plan(system: System, run_id: str) -> int:
    """How many chunks the run has, once all are planned."""
    wait_until(lambda: system.runs.document(run_id).status == "uploading", "the plan is made", timeout=600)
    return system.runs.document(run_id).chunks.total


if __name__ == "__main__":
    main()
