"""What an installation costs that has nothing to do: `python -m bench.idle`."""

import argparse
import time
from typing import Final

from bench.measuring import Meter, await_workers, machine, say, say_table
from tests.system import System

PROCESSES: Final = 2
GOAL: Final = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    say(f"{PROCESSES} idle worker processes for {options.seconds:g} s; {machine()}\n")
    with System(workers=0, processes=PROCESSES) as system:
        worker = system.start_worker()
        await_workers(system, PROCESSES)
        meter = Meter(system, worker.pid)
        time.sleep(options.seconds)
        figures = meter.read()
    share = figures.cpu / figures.wall
    say_table(
        ("", "share of a core"),
        [
            ("workers", f"{share:.1%} (goal < {GOAL:.0%}: {'met' if share < GOAL else 'missed'})"),
            ("Valkey", f"{figures.valkey / figures.wall:.1%}"),
        ],
    )


if __name__ == "__main__":
    main()
