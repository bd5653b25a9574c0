"""What benchmarks share: CPU and memory of processes by Linux's /proc, a system that is ready, tables."""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from producer.application import Producer
from producer.events import refresh_finished
from tests.catalogs import two_segments
from tests.mailchimp_standin import LIST_ID
from tests.profiles import Segments
from tests.system import System, wait_until
from worker.exports.runs import RunDocument
from worker.settings import Settings
from worker.state.presence import Presence

REFRESH: Final = "2026-11-24"
TAG: Final = "Loyal customers"

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
# fields of /proc/PID/stat behind the command's name: session; user, system, and those of ended children
_SESSION: Final = 3
_CPU: Final = slice(11, 15)
# fields of the first line of /proc/stat: user, nice, system, (idle, iowait,) irq, softirq
_BUSY: Final = (1, 2, 3, 6, 7)
_MEGABYTE: Final = 1_000_000
_RUN_TIMEOUT: Final = 1800.0
_ONE_SEGMENT: Final = """\
connections:
  newsletter:
    type: mailchimp
    display_name: Newsletter account
    api_key: env:MAILCHIMP_API_KEY
    consent: {{agreed_by: dana@example.com, agreed_on: 2026-11-23}}
segments:
  loyal-customers:
    display_name: {tag}
    source: {source}
exports:
  weekly-newsletter:
    connection: newsletter
    audience_id: {audience}
    segments: [loyal-customers]
    email: email
    attributes: {{FNAME: first_name, LNAME: last_name, PHONE: phone, CITY: city, VISITS: visits}}
    max_profiles: 10000000
    guard: {{add_share: 1000000}}
    run: on_refresh
"""


def one_segment(source: Path) -> str:
    """A configuration file: one export of one segment, with five attributes, to the stand-in's audience."""
    return _ONE_SEGMENT.format(tag=TAG, source=source, audience=LIST_ID)


def session(leader: int) -> list[int]:
    """The living processes of a session: a worker's main process and all of its children."""
    return [pid for pid in _all_pids() if _stat(pid)[_SESSION : _SESSION + 1] == [str(leader)]]


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes, and their children that have ended, have used so far."""
    return sum(int(field) for pid in pids for field in _stat(pid)[_CPU]) / _TICKS


def peak_megabytes(pids: Iterable[int]) -> float:
    """The most memory that any one of these processes has ever held."""
    return max(map(_peak, pids)) / _MEGABYTE


def machine() -> str:
    """The machine, by what matters for these figures."""
    if not (_PROC / "stat").exists():
        sys.exit("The benchmarks measure by /proc, which this system does not have: run them on Linux.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB of memory"


@dataclass(frozen=True)
class Figures:
    """What one round took. `others` is CPU time of processes that have nothing to do with it: noise."""

    wall: float
    cpu: float
    peak: float
    standin: float
    valkey: float
    others: float


class Meter:
    """Measures a round from now on: `leader` heads the session that is under test."""

    def __init__(self, system: System, leader: int) -> None:
        self._leader = leader
        self._standin = system.standin.pid
        self._valkey = int(system.ledger.info("server")["process_id"])
        self._before = self._cpu()
        self._began = time.monotonic()

    def read(self) -> Figures:
        """The figures since the meter was made."""
        wall = time.monotonic() - self._began
        used = [after - before for after, before in zip(self._cpu(), self._before, strict=True)]
        ours, standin, valkey, bench, all_busy = used
        return Figures(
            wall=wall,
            cpu=ours,
            peak=peak_megabytes(session(self._leader)),
            standin=standin,
            valkey=valkey,
            others=max(0.0, all_busy - ours - standin - valkey - bench),
        )

    def _cpu(self) -> list[float]:
        groups = (session(self._leader), [self._standin], [self._valkey], [os.getpid()])
        return [*map(cpu_seconds, groups), _machine_cpu()]


def median(figures: Sequence[Figures]) -> Figures:
    """The median of each figure by itself."""
    names = Figures.__dataclass_fields__
    return Figures(**{name: statistics.median(getattr(each, name) for each in figures) for name in names})


def await_workers(system: System, processes: int) -> None:
    """Waits until so many worker processes are there and have nothing left to start."""
    presence = Presence(system.ledger)
    wait_until(lambda: presence.alive() >= processes, f"{processes} worker processes are alive")


@contextmanager
def producer_of(system: System) -> Iterator[Producer]:
    """What sends events, in this process: the start of a command is not part of a run."""
    producer = Producer(Settings(REDIS_URL=system.redis_url))
    try:
        yield producer
    finally:
        producer.client.close()


@contextmanager
def two_segments_ready(made: Segments, latency: float, workers: int) -> Iterator[System]:
    """A system with so many workers and an export of two segments whose files are there; nothing runs yet."""
    with System(workers=workers, processes=1, answers="brief") as system:
        system.reset()
        system.standin.set_latency(latency)
        made.write(system.data / REFRESH)
        system.apply(two_segments(system.data))
        await_workers(system, workers)
        yield system


def send_refresh(producer: Producer, refresh_id: str) -> str:
    """Sends the event of a finished refresh; gives the one run that it starts."""
    (run,) = refresh_finished(producer, refresh_id).runs
    return run.run_id


def ended(system: System, run_id: str) -> RunDocument:
    """Waits for a run's end, and checks that every profile has exactly one outcome."""
    run = system.finished(run_id, timeout=_RUN_TIMEOUT)
    outcomes = sum(count for name, count in run.profiles.items() if name != "read")
    check(outcomes == run.profiles["read"] > 0, f"every profile has one outcome: {run.profiles}")
    return run


def moments(log: Path, run_id: str) -> dict[str, float]:
    """When each kind of event of a run was first logged, in seconds since 1970."""
    found = dict[str, float]()
    for line in log.read_text().splitlines():
        if run_id in line:
            event = json.loads(line)
            found.setdefault(event["event"], datetime.fromisoformat(event["timestamp"]).timestamp())
    return found


def check(holds: bool, sentence: str) -> None:  # noqa: FBT001 - reads like an assertion
    """Ends the benchmark if an outcome is wrong: figures of a wrong result mean nothing."""
    if not holds:
        sys.exit(f"Not true: {sentence}.")


def say(text: str) -> None:
    """Prints at once."""
    print(text, flush=True)


def say_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table as Markdown, its columns aligned."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        say(f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |")


def _all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())


def _stat(pid: int) -> list[str]:
    """The fields behind the command's name, which may hold spaces; none if the process has just ended."""
    with suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _machine_cpu() -> float:
    fields = (_PROC / "stat").read_text().partition("\n")[0].split()
    return sum(int(fields[at]) for at in _BUSY) / _TICKS
