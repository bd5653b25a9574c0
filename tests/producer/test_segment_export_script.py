"""The installed script as people start it, on a real server."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

from producer.application import Producer
from producer.events import run_export
from tests.producer.conftest import Work, define
from worker.settings import Settings

SCRIPT = Path(sys.executable).with_name("segment-export")
SLOW = {"polars", "httpx", "obstore", "rich", "dramatiq", "structlog", "yaml", "zstandard"}
FAR = (
    "cryptography.hazmat",
    "worker.mailchimp",
    "worker.exports.planning",
    "worker.store",
    "worker.jobs",
    "worker.sources",
)

Started: TypeAlias = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def server(
    valkey: str, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Producer:
    """A producer with a catalog on the embedded server; the environment is that of the script."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", valkey)
    monkeypatch.setenv("SEGMENT_EXPORT_STORE_URL", (tmp_path / "store").as_uri())
    producer = Producer(Settings.from_environment(), client=redis_client)
    define(producer)
    return producer


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts the script and goes on; what is still there at the end of the test is ended."""
    processes: list[subprocess.Popen[str]] = []

    def popen(*arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        processes.append(
            subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True)
        )
        return processes[-1]

    yield popen
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "arguments",
    [("get", "runs"), ("get", "connections"), ("get", "exports", "--json"), ("status", "RUN"), ("--help",)],
)
def test_a_plain_command_loads_nothing_slow(server: Producer, arguments: tuple[str, ...]) -> None:
    run_id = run_export(server, "weekly").run_id
    code = (
        "import sys; from producer.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
        "print('\\n'.join(['MODULES', *sys.modules]))"
    )
    command = [sys.executable, "-c", code, *(run_id if word == "RUN" else word for word in arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    loaded = set(result.stdout.partition("MODULES\n")[2].split())
    assert "producer.cli" in loaded
    assert loaded & SLOW == set()
    assert {name for name in loaded if name.startswith(FAR)} == set()


def test_a_run_on_demand_stores_it_and_rings_for_it(server: Producer) -> None:
    result = run("run", "weekly", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["run_id"] == server.runs.recent()[0].run_id
    assert server.doorbell.backlog() == 1


def test_without_a_server_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://dana:secret@127.0.0.1:1/0")
    result = run("get", "runs")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Redis can't be reached at redis://127.0.0.1:1/0: start it, or correct REDIS_URL.\n"
    )


def test_with_a_wrong_environment_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://dana:secret@127.0.0.1")
    result = run("get", "runs")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("The environment is not usable: REDIS_URL")
    assert "secret" not in result.stderr


@pytest.mark.usefixtures("server")
def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    command = f"'{SCRIPT}' get exports | head -n 0; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert result.stderr == ""


def test_debug_shows_where_an_error_comes_from(server: Producer) -> None:
    assert server
    result = run("--debug", "status", "nope")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_interrupted_it_says_that_the_run_goes_on(server: Producer, start: Started) -> None:
    process = start("run", "weekly", "--wait")
    assert process.stderr is not None
    assert "queued" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, told = process.communicate(timeout=10)
    run_id = server.runs.recent()[0].run_id
    assert (process.returncode, output) == (130, "")
    assert told.splitlines() == [
        f"Run {run_id} goes on.",
        f"  to follow it:  segment-export watch {run_id}",
        f"  to stop it:    segment-export cancel {run_id}",
    ]
    assert server.runs.document(run_id).status == "queued"


def test_interrupted_while_several_run_it_says_how_to_find_them(server: Producer, start: Started) -> None:
    process = start("refresh", "r1", "--wait", "--json")
    assert process.stderr is not None
    assert all("queued" in process.stderr.readline() for _ in range(2))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 130
    assert told.startswith("2 runs go on; `segment-export get runs` lists them.\n")
    assert len(server.runs.active()) == 2


def test_waiting_ends_with_the_run(server: Producer, start: Started) -> None:
    process = start("run", "weekly", "--wait", "--json")
    assert process.stderr is not None
    assert "queued" in process.stderr.readline()
    (run_id,) = server.runs.active()
    Work(server).do(run_id, read=5000, rejected=1)
    output, told = process.communicate(timeout=10)
    assert process.returncode == 1
    assert json.loads(output)["status"] == "partial"
    assert "profiles read" in told


def test_on_a_terminal_it_draws_bars(server: Producer, start: Started) -> None:
    run_id = run_export(server, "weekly").run_id
    Work(server).do(run_id)
    terminal, end = pty.openpty()
    try:
        process = start("watch", run_id, stderr=end)
        output, _ = process.communicate(timeout=10)
        drawn = os.read(terminal, 65536).decode()
    finally:
        os.close(terminal)
        os.close(end)
    assert process.returncode == 0
    assert "━" in drawn
    assert "successful" in output
