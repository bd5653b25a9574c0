"""How quickly a command answers: `python -m bench.commands`."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from bench.measuring import REFRESH, ended, machine, producer_of, say, say_table, send_refresh
from tests.catalogs import two_segments
from tests.profiles import segments
from tests.system import BIN, System

GOAL: Final = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.commands", description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    say(f"each command {options.repeat} times; {machine()}\n")
    with System(workers=1, processes=1) as system:
        system.reset()
        made = segments(1_000)
        made.write(system.data / REFRESH)
        system.apply(two_segments(system.data))
        with producer_of(system) as producer:
            run_id = send_refresh(producer, REFRESH)
            ended(system, run_id)
        nothing = seconds(system, [sys.executable, "-c", "pass"], options.repeat)
        rows = [("python -c pass", f"{nothing:.2f} s", "1.0", "")]
        for words in (["get", "runs"], ["get", "exports"], ["status", run_id], ["run", "weekly-newsletter"]):
            took = seconds(system, [str(BIN / "segment-export"), *words], options.repeat)
            verdict = "met" if took < GOAL else "missed"
            name = " ".join("RUN" if word == run_id else word for word in words)
            rows.append((name, f"{took:.2f} s", f"{took / nothing:.1f}", verdict))
    say_table(("command", "median", "times a bare Python", f"goal {GOAL:g} s"), rows)


def seconds(system: System, command: Sequence[str], repeat: int) -> float:
    """The median time of a command, from its start to its end."""
    took = []
    for _ in range(repeat):
        began = time.monotonic()
        subprocess.run(command, env=system.environment, check=True, capture_output=True)
        took.append(time.monotonic() - began)
    return statistics.median(took)


if __name__ == "__main__":
    main()
