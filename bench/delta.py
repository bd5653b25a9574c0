"""The second export of a million profiles, of which few have changed: `python -m bench.delta`."""

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from bench.measuring import (
    Figures,
    Meter,
    await_workers,
    check,
    ended,
    machine,
    moments,
    one_segment,
    producer_of,
    say,
    say_table,
    send_refresh,
)
from producer.application import Producer
from tests.profiles import Shape, customers
from tests.system import System
from worker.exports.runs import RunDocument

PROCESSES: Final = 2
CLEAN: Final = Shape(malformed=0, duplicate=0, refused=0)
CHANGED, LEFT, NEW = 0.01, 0.005, 0.005
CHUNK: Final = 500
SPARE_CALLS: Final = 12
GOAL_PLANNING: Final = 5.0


@dataclass(frozen=True)
class Round:
    """One export: its figures, seconds of planning (claim to the last chunk staged), and its run."""

    figures: Figures
    planning: float
    run: RunDocument


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delta", description=__doc__)
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    say(f"{options.profiles:,} profiles, 1 % changed, 0.5 % left, 0.5 % new; {machine()}\n")
    rounds = [pair(options.profiles) for _ in range(options.repeat)]
    rows = [
        (name, *(f"{statistics.median(values[name] for values in column):.2f}" for column in columns(rounds)))
        for name in figures_of(rounds[0][0])
    ]
    say_table(("median", "full export", "next export"), rows)
    most = math.ceil((CHANGED + NEW) * options.profiles / CHUNK) + math.ceil(LEFT * options.profiles / CHUNK)
    calls = max(delta.run.api_calls for _, delta in rounds)
    planning = statistics.median(delta.planning for _, delta in rounds)
    say(f"\nCalls: at most {calls}, goal {most + SPARE_CALLS}: {met(calls <= most + SPARE_CALLS)}.")
    say(f"Planning: {planning:.2f} s, goal under {GOAL_PLANNING:g} s: {met(planning < GOAL_PLANNING)}.")


def figures_of(one: Round) -> dict[str, float]:
    """What is shown of an export."""
    return {
        "planning, s": one.planning,
        "wall time, s": one.figures.wall,
        "CPU time, s": one.figures.cpu,
        "peak memory of the largest process, MB": one.figures.peak,
        "calls to Mailchimp": one.run.api_calls,
    }


def columns(rounds: list[tuple[Round, Round]]) -> list[list[dict[str, float]]]:
    """The figures of all first exports, and those of all second ones."""
    return [[figures_of(pair[at]) for pair in rounds] for at in (0, 1)]


def pair(profiles: int) -> tuple[Round, Round]:
    """A full export and the one after it, by the same workers."""
    with System(processes=PROCESSES, answers="brief") as system:
        system.reset()
        source = system.data / "loyal-customers.parquet"
        before = customers(profiles, shape=CLEAN)
        system.apply(one_segment(source).replace("run: on_refresh", "run: on_refresh\n    mode: mirror"))
        await_workers(system, PROCESSES)
        with producer_of(system) as producer:
            full = exported(system, producer, before, source, "first")
            after = next_refresh(before)
            delta = exported(system, producer, after, source, "second")
        counts = delta.run.profiles
        check(counts["created"] == round(NEW * profiles), f"who is new was created: {counts}")
        check(counts["failed"] + counts["rejected"] == 0, f"nobody was left out: {counts}")
        check(delta.run.removed == round(LEFT * profiles), f"who left was removed: {delta.run.removed}")
    say(f"full {full.figures.wall:.2f} s, next {delta.figures.wall:.2f} s ({delta.run.api_calls} calls)")
    return full, delta


def exported(system: System, producer: Producer, table: pl.DataFrame, source: Path, refresh_id: str) -> Round:
    """Writes the segment, sends the event, and measures until the run has ended."""
    table.write_parquet(source)
    meter = Meter(system, system.workers[0].pid)
    run = ended(system, send_refresh(producer, refresh_id))
    figures = meter.read()
    seen = moments(system.log, run.run_id)
    began = seen["run.finished"] - figures.wall
    return Round(figures, seen["plan.sealed"] - began, run)


def next_refresh(before: pl.DataFrame) -> pl.DataFrame:
    """The same customers some time later."""
    profiles = before.height
    changed = (pl.col("customer_id") % round(1 / CHANGED)) == 0
    after = before.with_columns(city=pl.when(changed).then(pl.lit("Elsewhere")).otherwise("city"))
    new = customers(round(NEW * profiles), seed=11, shape=CLEAN)
    new = new.with_columns(email=pl.lit("new.") + pl.col("email"))
    return pl.concat([after.head(profiles - round(LEFT * profiles)), new])


def met(holds: bool) -> str:  # noqa: FBT001 - one fact, one word
    return "met" if holds else "missed"


if __name__ == "__main__":
    main()
