"""`make chaos MINUTES=10 SEED=1`: rounds, one seed after the other, for as long as wanted."""

import argparse
import signal
import sys
import time
from types import FrameType

from tests.chaos.rounds import Failure, play
from tests.chaos.stage import PROCESSES, WORKERS, Stage
from tests.chaos.tally import Tally


def main() -> int:
    """Plays rounds; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=0, help="at most so many; 0: as many as time allows")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each next one is one more")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure, on a new stage")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _as_interrupt)
    until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    return _Rounds(options.seed, options.rounds or sys.maxsize, until).play(keep_going=options.keep_going)


class _Rounds:
    def __init__(self, first: int, most: int, until: float) -> None:
        self._seed, self._end, self._until = first, first + most, until
        self._first = first
        self._tally = Tally()
        self._failed: list[int] = []

    def play(self, *, keep_going: bool) -> int:
        try:
            while self._more() and (keep_going or not self._failed):
                with Stage() as stage, stage.supervised():
                    stage.wait_for_workers(WORKERS * PROCESSES)
                    self._on(stage)
        except KeyboardInterrupt:
            say("Stopped.")
        self._sum_up()
        return 1 if self._failed else 0

    def _more(self) -> bool:
        return self._seed < self._end and time.monotonic() < self._until

    def _on(self, stage: Stage) -> None:
        """Rounds until one fails: what it has left could disturb the next one."""
        while self._more():
            seed, self._seed = self._seed, self._seed + 1
            began = time.monotonic()
            try:
                tally = play(stage, seed)
            except Failure as failure:
                self._failed.append(seed)
                say(f"\n{failure}\n")
                return
            self._tally.add(tally)
            faults = sum(tally.injected.values())
            say(f"seed {seed}: passed, {faults} faults, {time.monotonic() - began:.1f} s")

    def _sum_up(self) -> None:
        last = self._seed - 1
        failed = f", failed: {', '.join(map(str, self._failed))}" if self._failed else ", none failed"
        say(f"\nSeeds {self._first} to {last}: {self._tally.rounds} rounds passed{failed}.\n")
        say(self._tally.told())


def say(sentence: str) -> None:
    """Prints at once."""
    print(sentence, flush=True)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
