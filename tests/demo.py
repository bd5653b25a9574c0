"""`make demo`: everything embedded, end to end, checked member by member."""

import argparse
import signal
import sys
import time
from types import FrameType

from tests.catalogs import TAGS, two_segments
from tests.mailchimp_standin.reports import digest
from tests.mailchimp_standin.validation import MergeField
from tests.profiles import Segments, expected_members, segments
from tests.system import System

REFRESH = "2026-11-24"
_STOPPING = (signal.SIGINT, signal.SIGTERM)

REAL_ACCOUNT = """\
To export to a real account:
  1. . .venv/bin/activate; redis-server --appendonly yes &    (or set REDIS_URL)
  2. export MAILCHIMP_API_KEY=…-us21       (Mailchimp: Account > Extras > API keys)
  3. edit catalog.yaml                     (README.md has one to start from)
  4. honcho start &                        (workers, here or on any machine with the same environment)
  5. segment-export apply -f catalog.yaml; segment-export run weekly-newsletter --wait"""


def main() -> int:
    """Runs the demo; 0 if the audience is exactly what the segments say."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--profiles", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds a call to the stand-in takes")
    options = parser.parse_args()
    for number in _STOPPING:
        signal.signal(number, _stop_once)
    try:
        return demo(options.profiles, options.latency)
    except KeyboardInterrupt:
        say("Stopped; nothing is left behind.")
        return 130


def demo(profiles: int, latency: float) -> int:
    """Starts everything, exports, verifies, and stops everything."""
    say("Starting Valkey, a stand-in for Mailchimp, and 2 worker processes …")
    with System(latency=latency, answers="full" if profiles <= 100_000 else "brief") as system:
        audience = system.standin.audience()
        audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        say(f"Generating {profiles:,} profiles in two overlapping segments …")
        made = segments(profiles)
        made.write(system.data / REFRESH)
        system.apply(two_segments(system.data))
        say(f"The refresh {REFRESH} has finished: segment-export refresh {REFRESH} --wait\n")
        began = time.monotonic()
        system.command("refresh", REFRESH, "--wait", check=False)
        seconds = time.monotonic() - began
        return verify(system, made, seconds, latency)


def verify(system: System, made: Segments, seconds: float, latency: float) -> int:
    """Compares the audience with the segments, and the calls with the limit."""
    say("Comparing the audience with the segments, member by member …")
    run = system.ask("get", "runs")["runs"][0]
    counts = run["profiles"]
    found, wanted = system.standin.audience().digest(), digest(expected_members(made, TAGS))
    open_calls = system.standin.account().high_water()
    accounted = sum(count for name, count in counts.items() if name != "read")
    checks = {
        f"the audience holds exactly the {wanted.count:,} members of the segments": found == wanted,
        f"every one of {counts['read']:,} profiles is accounted for": accounted
        == counts["read"]
        == made.rows,
        f"never more than 10 calls were open at once (most seen: {open_calls})": open_calls <= 10,
        "nobody was subscribed again": run["resubscribed"] == 0,
    }
    for sentence, holds in checks.items():
        say(f"  {'✓' if holds else '✗ NOT TRUE:'} {sentence}")
    lines = system.report(run["run_id"])
    say(f"  The report lists the {len(lines):,} profiles that are not there, each with its reason, such as:")
    for outcome in ("invalid", "duplicate", "rejected"):
        line = next(line for line in lines if line["outcome"] == outcome)
        say(f"    {line['segment']} row {line['row']}, {line['email']!r}: {outcome}, {line['message']}")
    if latency:
        rate = counts["read"] / seconds
        say(f"  {seconds:.1f} s, {rate:,.0f} profiles a second, from the event to the last outcome.")
    say(f"\n{REAL_ACCOUNT}")
    return 0 if all(checks.values()) else 1


def say(sentence: str) -> None:
    """Prints at once, in step with the commands that print in between."""
    print(sentence, flush=True)


def _stop_once(_number: int, _frame: FrameType | None) -> None:
    # whoever is impatient and asks again must not cut the clearing up short
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
