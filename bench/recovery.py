"""What the loss of a worker costs: `python -m bench.recovery`."""

import argparse
import time
from dataclasses import dataclass
from typing import Final

from bench.measuring import (
    REFRESH,
    cpu_seconds,
    ended,
    machine,
    producer_of,
    say,
    say_table,
    send_refresh,
    session,
    two_segments_ready,
)
from tests.fundamentals.audit import assert_exact
from tests.profiles import Segments, segments
from tests.system import System, wait_until

WORKERS: Final = 2
GOAL: Final = 30.0


@dataclass(frozen=True)
class Round:
    """Seconds from the event to the end, and from the loss to the end if there was one; calls made again."""

    whole: float
    after_loss: float | None
    repeated: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds a call takes")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    say(f"{options.profiles:,} profiles, {options.latency:g} s a call, {WORKERS} workers; {machine()}\n")
    made = segments(options.profiles)
    rows = []
    for number in range(1, options.repeat + 1):
        calm = measured(made, options.latency, disturbed=False)
        disturbed = measured(made, options.latency, disturbed=True)
        assert disturbed.after_loss is not None
        verdict = "met" if disturbed.after_loss <= GOAL else "missed"
        rows.append(
            (
                f"{number}",
                f"{calm.whole:.1f} s",
                f"{disturbed.whole:.1f} s",
                f"{disturbed.after_loss:.1f} s ({verdict})",
                f"{disturbed.repeated}",
                "yes",
            )
        )
        say(f"round {number}: {' | '.join(rows[-1])}")
    say("")
    header = ("round", "undisturbed", "one worker killed", f"kill to end (goal {GOAL:g} s)", "calls repeated")
    say_table((*header, "audience exact"), rows)


def measured(made: Segments, latency: float, *, disturbed: bool) -> Round:
    """A run on two workers, one of which is killed half-way if `disturbed`; the audience must be exact."""
    with two_segments_ready(made, latency, WORKERS) as system:
        with producer_of(system) as producer:
            began, lost = time.monotonic(), None
            run_id = send_refresh(producer, REFRESH)
            if disturbed:
                lost = kill_half_way(system, run_id)
            run = ended(system, run_id)
            over = time.monotonic()
        assert_exact(system, run, made)
        calls = system.standin.account().statistics().calls["POST /lists/{list_id}"]
    return Round(over - began, over - lost if lost else None, calls - run.chunks.total)


def kill_half_way(system: System, run_id: str) -> float:
    """SIGKILL to the busier worker, once half of the chunks are delivered; gives when."""

    def delivered(share: float) -> bool:
        chunks = system.runs.document(run_id).chunks
        return chunks.total > 0 and chunks.done >= chunks.total * share

    wait_until(lambda: delivered(0.3), "uploads are under way", timeout=600)
    before = {worker.pid: cpu_seconds(session(worker.pid)) for worker in system.workers}
    wait_until(lambda: delivered(0.5), "half of the chunks are delivered", timeout=600)
    doomed = max(system.workers, key=lambda worker: cpu_seconds(session(worker.pid)) - before[worker.pid])
    system.kill_worker(doomed)
    return time.monotonic()


if __name__ == "__main__":
    main()
