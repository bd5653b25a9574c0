"""How long it takes until what was lost is done again, watched from beside."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import msgspec
import redis

from tests.chaos.stage import Stage
from worker.state import keys

_PATIENCE = 40.0


class _Record(msgspec.Struct):
    s: str


class Recoveries:
    """Seconds from a worker's death until all that was out is delivered, and from Valkey's return to work."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._threads: list[Thread] = []
        self._over = Event()
        self.worker: list[float] = []
        self.redis: list[float] = []

    def worker_dies(self) -> None:
        """Notes which chunks are out just now, and waits for their ends beside what else happens."""
        with suppress(redis.RedisError):
            out = [
                name.partition(" ")[::2]
                for connection in self._stage.producer.slots.working()
                for name in map(str, self._stage.ledger.zrange(keys.leases(connection), 0, -1))
                if " " in name
            ]
            if out:
                self._start(lambda: self._delivered(out), self.worker)

    def redis_is_back(self) -> None:
        """Waits until every process that lives has said so to the server."""
        began = round(time.time() * 1000)
        pids = [pid for worker in self._stage.workers for pid in self._children(worker.pid)]
        self._start(lambda: self._seen(pids, began), self.redis)

    def stop(self) -> None:
        """Gives up what is not recovered by now."""
        for thread in self._threads:
            thread.join(timeout=10)
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _start(self, done: Callable[[], bool], into: list[float]) -> None:
        began = time.monotonic()

        def watch() -> None:
            while not self._over.wait(0.05) and time.monotonic() - began < _PATIENCE:
                with suppress(redis.RedisError):
                    if done():
                        into.append(time.monotonic() - began)
                        return

        thread = Thread(target=watch, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _delivered(self, out: list[tuple[str, str]]) -> bool:
        for run, chunk in out:
            record = self._stage.ledger.hget(keys.chunks(run), chunk)
            if record is not None and msgspec.json.decode(str(record), type=_Record).s not in {
                "done",
                "failed",
            }:
                return False
        return True

    def _seen(self, pids: list[int], began: int) -> bool:
        names = map(str, self._stage.ledger.zrangebyscore(keys.WORKERS, began, "+inf"))
        seen = {int(name.split(":")[1]) for name in names}
        return all(pid in seen or not Path(f"/proc/{pid}").exists() for pid in pids)

    @staticmethod
    def _children(pid: int) -> list[int]:
        with suppress(FileNotFoundError, ProcessLookupError):
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []
