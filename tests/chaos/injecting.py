"""The faults of a round, done to the real thing; each has a thread of its own, and ends what it began."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from tests.chaos.failpoints import Order
from tests.chaos.recovering import Recoveries
from tests.chaos.schedule import ANSWERS, STEPS, Fault, Kind
from tests.chaos.stage import Stage, patiently
from tests.chaos.tally import Tally
from tests.chaos.timeline import Timeline

_UPLOADS = {"method": "POST", "path": "/lists/[^/]+$"}


class Injector:
    """Does to a stage what a schedule says, notes and counts it; `accounts` are API keys by connection."""

    def __init__(
        self, stage: Stage, accounts: dict[str, str], timeline: Timeline, tally: Tally, recoveries: Recoveries
    ) -> None:
        self._stage = stage
        self._accounts = accounts
        self._timeline = timeline
        self._tally = tally
        self._recoveries = recoveries
        self._stopped: set[int] = set()
        self._valkey = Lock()
        self._counting = Lock()
        self._doers: dict[Kind, Callable[[Fault], None]] = {
            Kind.KILL_GROUP: self._kill_group,
            Kind.KILL_CHILD: self._kill_child,
            Kind.TERM: self._term,
            Kind.FREEZE: self._freeze,
            Kind.FAILPOINT: self._failpoint,
            Kind.REDIS_KILL: self._redis_kill,
            Kind.REDIS_FREEZE: self._redis_freeze,
            Kind.REDIS_CLIENTS: self._redis_clients,
            Kind.QUEUES: self._queues,
            Kind.MAILCHIMP: self._mailchimp,
            Kind.OTHERS: self._others,
            Kind.PAUSE: self._pause,
        }

    def knows(self, kind: Kind) -> bool:
        """Whether this is a fault of the machinery, not something that people do."""
        return kind in self._doers

    def inject(self, fault: Fault) -> None:
        """Begins a fault, and ends it when its time is over."""
        self._doers[fault.kind](fault)

    def finish_failpoints(self) -> None:
        """Disarms, and counts which steps were hit."""
        self._stage.failpoints.arm()
        for fired in self._stage.failpoints.fired():
            self._tally.steps[f"{fired.order.action}: {fired.point}"] += 1
            self._count(Kind.FAILPOINT, f"{fired.order.action} {fired.point} (process {fired.pid})")
        self._stage.failpoints.clear()

    def _count(self, kind: Kind, more: str = "") -> None:
        with self._counting:
            self._tally.injected[kind] += 1
            self._timeline.note(f"{kind} {more}".rstrip())

    # workers

    def _worker(self, fault: Fault) -> "subprocess.Popen[bytes] | None":
        alive = [worker for worker in self._stage.workers if worker.poll() is None]
        alive = [worker for worker in alive if worker.pid not in self._stopped]
        return alive[fault.which % len(alive)] if alive else None

    def _kill_group(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker is None:
            return
        self._recoveries.worker_dies()
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        self._count(fault.kind, f"(group {worker.pid})")

    def _kill_child(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker is None:
            return
        with suppress(FileNotFoundError, ProcessLookupError):
            children = self._stage.children(worker)
            if not children:
                return
            child = children[fault.which // 7 % len(children)]
            self._recoveries.worker_dies()
            os.kill(child, signal.SIGKILL)
            self._count(fault.kind, f"(process {child} of group {worker.pid})")

    def _term(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGTERM)
        self._count(fault.kind, f"(group {worker.pid})")

    def _freeze(self, fault: Fault) -> None:
        worker = self._worker(fault)
        if worker is None:
            return
        group = worker.pid
        self._stopped.add(group)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGSTOP)
        self._count(fault.kind, f"for {fault.lasts:.1f} s (group {group})")
        time.sleep(fault.lasts)
        self._stopped.discard(group)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)
        self._timeline.note(f"thawed (group {group})")

    def _failpoint(self, fault: Fault) -> None:
        chance = random.Random(fault.which)
        point = f"{chance.choice(('before', 'after'))} {chance.choice(STEPS)}"
        action, seconds = ("pause", 2 * fault.strength) if chance.random() < 0.2 else ("kill", 0.0)
        if chance.random() < 0.3 and action == "kill":
            action = "kill group"
        order = Order(point, action, chance.choice((1, 1, 1, 2, 3, 5, 8)), seconds)  # type: ignore[arg-type]
        self._stage.failpoints.arm(order)
        self._timeline.note(f"armed: {action} {point}, hit {order.nth}")

    # Valkey

    def _redis_kill(self, fault: Fault) -> None:
        if not self._valkey.acquire(blocking=False):
            return
        with self._released(self._valkey):
            self._stage.valkey.terminate()
            self._count(fault.kind, f"for {fault.lasts:.1f} s")
            time.sleep(fault.lasts)
            self._stage.start_valkey()
            self._timeline.note("Valkey is back")
            self._recoveries.redis_is_back()

    def _redis_freeze(self, fault: Fault) -> None:
        if not self._valkey.acquire(blocking=False):
            return
        with self._released(self._valkey):
            process = self._stage.valkey._process
            process.send_signal(signal.SIGSTOP)
            self._count(fault.kind, f"for {fault.lasts:.1f} s")
            time.sleep(fault.lasts)
            process.send_signal(signal.SIGCONT)
            self._timeline.note("Valkey goes on")
            self._recoveries.redis_is_back()

    @staticmethod
    @contextmanager
    def _released(lock: Lock) -> Iterator[None]:
        try:
            yield
        finally:
            lock.release()

    def _redis_clients(self, fault: Fault) -> None:
        patiently(lambda: self._stage.ledger.client_kill_filter(_type="normal"))
        self._count(fault.kind)

    def _queues(self, fault: Fault) -> None:
        def delete() -> None:
            for key in self._stage.ledger.scan_iter("segment-export-queue:*", count=1_000):
                self._stage.ledger.delete(key)

        patiently(delete)
        self._count(fault.kind)

    # Mailchimp, and who steers

    def _mailchimp(self, fault: Fault) -> None:
        chance = random.Random(fault.which)
        action = chance.choice(ANSWERS)
        where = _UPLOADS if chance.random() < 0.6 else {}
        number = self._stage.standin.add_fault(
            action,
            probability=0.2 + 0.8 * fault.strength,
            seed=fault.which,
            times=chance.randint(2, 12),
            **where,
        )
        self._count(fault.kind, f"{action!r} for {fault.lasts:.1f} s {where or 'for all calls'}")
        time.sleep(fault.lasts)
        hits = self._stage.standin.fault_hits(number)
        self._stage.standin.remove_fault(number)
        with self._counting:
            self._tally.answers[f"{action!r}"] += hits
        self._timeline.note(f"{action!r} is over, after {hits} calls")

    def _others(self, fault: Fault) -> None:
        account = self._stage.standin.account(self._account(fault)[1])
        others = 3 + int(6 * fault.strength)
        account.configure(others=others)
        self._count(fault.kind, f"({others} of 10 for {fault.lasts:.1f} s)")
        time.sleep(fault.lasts)
        account.configure(others=0)
        self._timeline.note("other integrations are done")

    def _pause(self, fault: Fault) -> None:
        connection, producer = self._account(fault)[0], self._stage.producer
        patiently(lambda: producer.slots.pause(connection))
        self._count(fault.kind, f"({connection} for {fault.lasts:.1f} s)")
        time.sleep(fault.lasts)
        patiently(lambda: producer.ring(producer.slots.resume(connection)))
        self._timeline.note(f"resumed ({connection})")

    def _account(self, fault: Fault) -> tuple[str, str]:
        return list(self._accounts.items())[fault.which % len(self._accounts)]
