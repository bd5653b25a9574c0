"""What has to hold when the faults have stopped: audience, runs, reports, broker, ledger, store, log."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import redis

from tests.chaos.people import Expected, Rows
from tests.fundamentals.leaks import everything_in
from tests.mailchimp_standin.controls import AccountHandle, AudienceHandle
from tests.mailchimp_standin.reports import MemberView
from worker.broker import NAMESPACE as BROKER
from worker.exports.failures import NOT_PLANNED
from worker.exports.outcomes import ReportLine
from worker.exports.runs import FINAL, RunDocument
from worker.messages import QUEUE

NOT_THERE = ("invalid", "duplicate", "suppressed", "rejected", "failed")
_SHOWN = 5
_PERSONAL = re.compile(rb"customer\.[0-9]+|[@\w.]*\.example\b", re.IGNORECASE)
# what may outlive a run; all of a run's own keys are mortal
_MAY_STAY = re.compile(
    r"se:(catalog:\w+|conn:[^:]+(:durations)?|runs|run:[^:]+(:chunks|:report)?|export:[^:]+:(refresh:.+|snapshot)"
    r"|audience:[^:]+:[^:]+|turn:\w+|refreshed|workers)"
)
_MORTAL = re.compile(r"se:(run:.+|export:[^:]+:refresh:.+|audience:.+|turn:.+)")


Findings: TypeAlias = Iterator[str]


class Violation(AssertionError):
    """A promise was broken; each line says which, and how."""


def check(findings: Findings) -> None:
    """Raises what was found, all of it."""
    found = list(findings)
    if found:
        raise Violation("\n".join(found))


def balance(run: RunDocument, lines: list[ReportLine]) -> Findings:
    """Promise 1, of any run that has ended."""
    outcomes = {name: count for name, count in run.profiles.items() if name != "read"}
    if run.status not in FINAL:
        yield f"{run.run_id} has not ended: {run.status}"
    if sum(outcomes.values()) != run.profiles["read"]:
        yield f"{run.run_id} ({run.status}) read {run.profiles['read']} profiles and accounts for {outcomes}"
    if any(count < 0 for count in outcomes.values()):
        yield f"{run.run_id} counts below nothing: {outcomes}"
    # a plan that broke off has named nobody, and says so in a line that counts for no profile
    reported = Counter(str(line.outcome) for line in lines if line.code != NOT_PLANNED)
    missing = {name: outcomes[name] for name in NOT_THERE if outcomes[name]}
    if run.status not in {"skipped", "canceled"} and reported != missing:
        yield f"{run.run_id} ({run.status}) reports {dict(reported)} of {missing}"
    if run.status == "canceled" and not reported <= Counter(missing):
        yield f"{run.run_id} (canceled) reports {dict(reported)} of {missing}"
    if not all(line.code and line.message for line in lines):
        yield f"{run.run_id} reports somebody without a reason"
    if run.resubscribed:
        yield f"{run.run_id} says that it has subscribed {run.resubscribed} people again"


def last_run(run: RunDocument, lines: list[ReportLine], rows: Rows, expected: Expected) -> Findings:
    """The run that has exported a step's last stage: everybody is there, or named for a good reason."""
    name = f"{run.run_id} of {run.export}"
    if run.status not in {"successful", "partial"}:
        yield f"{name} is {run.status}: {run.error}"
    found = {key: run.profiles[key] for key in ("read", "invalid", "duplicate", "failed")}
    right = {"read": rows.read, "invalid": rows.invalid, "duplicate": rows.duplicate, "failed": 0}
    if found != right:
        reasons = Counter(line.code for line in lines if line.outcome == "failed")
        yield f"{name} counts {found} and should count {right} ({dict(reasons)})"
    named = {line.email.strip().lower() for line in lines if line.outcome in {"rejected", "suppressed"}}
    must = rows.refused | (expected.out - expected.lately)
    yield from _few(f"{name} does not report", must - named)
    yield from _few(f"{name} reports", named - must - expected.lately)


def audience(handle: AudienceHandle, expected: Expected) -> Findings:
    """Promises 2, 4 and 5: members, attributes, tags and statuses, one by one."""
    members = {address: _plain(view) for address, view in handle.members().items()}
    right = {address: _plain(view) for address, view in expected.members.items()}
    yield from _few(f"{handle.id} lacks", right.keys() - members.keys())
    yield from _few(f"{handle.id} should not have", members.keys() - right.keys())
    wrong = [each for each in right.keys() & members.keys() if members[each] != right[each]]
    yield from _few(
        f"{handle.id} has otherwise", [f"{each}: {members[each]} ≠ {right[each]}" for each in wrong]
    )
    by_api = [change for change in handle.status_changes() if change.via == "api"]
    yield from _few(f"{handle.id}: status changed by a call", [f"{each}" for each in by_api])


def limit(account: AccountHandle, most: int) -> Findings:
    """Promise 3."""
    seen = account.high_water()
    if seen > most:
        first = next(call for call in account.calls() if call.open > most)
        yield f"{seen} calls were open at once on an account whose limit is {most}, first at {first.started}"


def nothing_left(ledger: "redis.Redis", store: Path, *, may_be_stranded: bool) -> Findings:
    """Broker, ledger and store hold nothing of what is over."""
    for what, find in (
        ("the broker", lambda: broker_leftovers(ledger, may_be_stranded=may_be_stranded)),
        ("the ledger", lambda: ledger_leftovers(ledger)),
        ("the store", lambda: staged(store)),
    ):
        yield from (f"left in {what}: {each}" for each in _patiently(find))


def broker_leftovers(ledger: "redis.Redis", *, may_be_stranded: bool) -> list[str]:
    """Queues and dead letters; and messages that somebody has fetched and not acknowledged."""
    found = []
    for name in (QUEUE, f"{QUEUE}.DQ"):
        waiting = ledger.llen(f"{BROKER}:{name}")
        found += [f"{waiting} messages in {name}"] if waiting else []
    dead = ledger.zrange(f"{BROKER}:{QUEUE}.XQ", 0, -1)
    found += [f"{len(dead)} dead letters"] if dead else []
    if not may_be_stranded:
        found += [f"{unacknowledged(ledger)} messages not acknowledged"] if unacknowledged(ledger) else []
    return found


def unacknowledged(ledger: "redis.Redis") -> int:
    """Messages in the acknowledgement sets of workers, alive or dead."""
    names = ledger.scan_iter(f"{BROKER}:__acks__.*", count=1_000)
    return sum(int(ledger.scard(name)) for name in names)


def ledger_leftovers(ledger: "redis.Redis") -> list[str]:
    """Keys that should be gone by now, or that never would be."""
    keys = [str(key) for key in ledger.scan_iter("se:*", count=1_000)]
    stay = [key for key in keys if not _MAY_STAY.fullmatch(key)]
    immortal = [key for key in keys if _MORTAL.fullmatch(key) and ledger.ttl(key) == -1]
    return stay + [f"{key} for ever" for key in immortal]


def staged(store: Path) -> list[str]:
    """Staged data; there is none when no run is active."""
    return [str(path.relative_to(store)) for path in (store / "staged").rglob("*") if path.is_file()]


def privacy(log: Path, start: int, redis_url: str) -> Findings:
    """Promise 9: nobody's address in the log, the ledger or the queue."""
    with log.open("rb") as text:
        text.seek(start)
        written = text.read()
    for where, content in (("the log", written), ("Redis", everything_in(redis_url))):
        yield from _few(f"personal data in {where}", {each.decode() for each in _PERSONAL.findall(content)})


def _plain(view: MemberView) -> tuple[str, dict[str, object], tuple[str, ...]]:
    return view.status, dict(view.merge_fields), tuple(sorted(view.tags))


def _few(what: str, which: Iterable[str]) -> Findings:
    several = sorted(which)
    if several:
        more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
        yield f"{what} {len(several)}: {', '.join(map(str, several[:_SHOWN]))}{more}"


def _patiently(find: Callable[[], list[str]], seconds: float = 12.0) -> list[str]:
    deadline = time.monotonic() + seconds
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
