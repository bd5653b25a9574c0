"""What nobody foresaw is told by its kind and place, for its text may hold anything, addresses included."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.catalogs import account
from tests.fundamentals.leaks import everything_in, found, person
from tests.mailchimp_standin import LIST_ID
from tests.system import BIN, ROOT, System, wait_until
from worker.broker import NAMESPACE, Doorbell, make_broker
from worker.messages import QUEUE
from worker.state.scripts import Bell

MARK = "zyescaped"  # what is planted into the ledger here is nobody else's leak
FIELD, ADDRESS = "epoch", person("entry", mark=MARK)["email"]


def _logged_since(system: System, start: int) -> str:
    with system.log.open("rb") as log:
        log.seek(start)
        return log.read().decode()


@contextmanager
def _a_corrupt_run(system: System) -> Iterator[str]:
    """A run that workers can't read: where a number should be, the ledger holds an address."""
    run_id = system.ask("run", "weekly-newsletter")["run_id"]
    system.finished(run_id)
    key = f"se:run:{run_id}"
    before = system.ledger.hget(key, FIELD)
    system.ledger.hset(key, FIELD, ADDRESS)
    yield run_id
    system.ledger.hset(key, FIELD, before)


@pytest.fixture
def escaped(system: System) -> tuple[str, dict[str, Any]]:
    """An exception that has left an actor, and its line of the log."""
    start = system.log.stat().st_size
    with _a_corrupt_run(system) as run_id:
        doorbell = Doorbell(make_broker(system.redis_url))
        doorbell.ring([Bell("upload", run_id, "99-000000", "no-such-lease")])
        wait_until(lambda: '"exception"' in _logged_since(system, start), "the exception has escaped")
    text = _logged_since(system, start)
    line = next(line for line in text.splitlines() if '"exception"' in line)
    return text, json.loads(line)


def test_an_exception_is_logged_by_its_kind_and_place(escaped: tuple[str, dict[str, Any]]) -> None:
    """An error with the run it belongs to; neither its text nor a stack of several lines."""
    text, line = escaped
    assert found(MARK, text.encode()) == []
    assert line["level"] == "error"
    assert line["exception"] == "ValueError"
    assert line["run"]
    assert any(re.fullmatch(r"run_records\.py:[0-9]+", place) for place in line["at"])
    assert all(json.loads(each) for each in text.splitlines())


@pytest.mark.usefixtures("escaped")
def test_its_message_goes_to_the_dead_letters(system: System) -> None:
    """An alarm for operators, and nothing but references in it."""
    dead = f"{NAMESPACE}:{QUEUE}.XQ"
    wait_until(lambda: system.ledger.zcard(dead) == 1, "there is a dead letter", timeout=3)
    assert found(MARK, everything_in(system.redis_url)) == []


def test_a_thread_that_dies_says_where_and_not_why(tmp_path: Path) -> None:
    """Python itself would print the text of its exception."""
    dying = f"""
import threading
from worker import logs
logs.configure("json")
def fail(): raise ValueError("{ADDRESS}")
thread = threading.Thread(target=fail, name="sweeper")
thread.start(); thread.join()
fail()
"""
    done = subprocess.run(
        [sys.executable, "-c", dying], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert found(MARK, done.stderr.encode()) == []
    thread, process = (json.loads(line) for line in done.stderr.splitlines())
    assert (thread["event"], thread["thread"], thread["level"]) == ("thread.died", "sweeper", "critical")
    assert (process["event"], process["exception"]) == ("process.died", "ValueError")


# a file without a header line: its first profile stands where the names of columns should

HEADERLESS = "{email},{name},{city}\n".format(**person("headerless", mark=MARK))
TWICE = "{email},{name},{name}\n".format(**person("twice", mark=MARK))


@pytest.mark.parametrize("content", [HEADERLESS, TWICE], ids=["plain", "a value twice"])
def test_a_csv_without_its_header_shows_nobody(system: System, content: str) -> None:
    """Neither the run nor the log repeats what stands in the first line."""
    path, start = system.data / "headerless.csv", system.log.stat().st_size
    path.write_text(content)
    system.apply(_export_of(path))
    done = system.command("run", "headerless", "--wait", check=False, capture_output=True)
    assert "headerless.csv" in done.stdout
    assert "Traceback" not in done.stderr
    written = f"{done.stdout}{done.stderr}{_logged_since(system, start)}".encode()
    assert found(MARK, written + everything_in(system.redis_url)) == []


def _export_of(path: Path) -> str:
    return json.dumps(
        {
            "connections": {"newsletter": account()},
            "segments": {"headerless": {"source": str(path)}},
            "exports": {
                "headerless": {
                    "connection": "newsletter",
                    "audience_id": LIST_ID,
                    "segments": ["headerless"],
                    "email": "email",
                    "run": "manual",
                }
            },
        }
    )


# an environment that can't be worked with

UNUSABLE: dict[str, tuple[dict[str, str], str]] = {
    "malformed key": ({"SEGMENT_EXPORT_SECRET_KEYS": MARK}, "SEGMENT_EXPORT_SECRET_KEYS"),
    "no Redis there": ({"REDIS_URL": f"redis://:{MARK}@127.0.0.1:1/0"}, "Redis"),
    "no such store": ({"SEGMENT_EXPORT_STORE_URL": "file:///dev/null/store"}, "SEGMENT_EXPORT_STORE_URL"),
}


@pytest.fixture(params=UNUSABLE, scope="module")
def refusal(request: pytest.FixtureRequest, running: System) -> tuple[str, str]:
    """What a worker says that can't start, and what its sentence has to name."""
    changes, says = UNUSABLE[request.param]
    done = subprocess.run(
        [BIN / "dramatiq", "worker.main:boot", "--processes", "1", "--threads", "1", "--skip-logging"],
        cwd=ROOT,
        env=running.environment | changes,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    return done.stderr, says


def test_a_worker_that_can_not_start_names_what_to_mend(refusal: tuple[str, str]) -> None:
    """The variable, and never the value of one that may hold a secret."""
    shown, says = refusal
    assert says in shown
    assert found(MARK, shown.encode()) == []


def test_a_worker_that_can_not_start_prints_no_traceback(refusal: tuple[str, str]) -> None:
    """One sentence is enough for an operator."""
    assert "Traceback" not in refusal[0]
