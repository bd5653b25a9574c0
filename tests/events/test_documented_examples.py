"""The examples of docs/events.md, run as they stand there: against the real door, with the shell's own tools.

A machine that lacks one of these tools gets a small stand-in of ours, so that the examples are always run.
"""

import json
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from producer.application import Producer
from producer.cloudevents import EventRefused, read_event
from producer.incoming import accept
from producer.stream import StreamConsumer
from tests.events import stand_ins
from tests.events.conftest import SECRET, with_settings
from tests.producer.conftest import define
from worker.exports.definitions import Segment
from worker.settings import Settings

EVENTS = Path(__file__).resolve().parents[2] / "docs" / "events.md"
TOOLS = {"curl": stand_ins.CURL, "openssl": stand_ins.OPENSSL, "redis-cli": stand_ins.REDIS_CLI}


def example(heading: str, language: str) -> str:
    """The code below a heading."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n.*?^```{language}\n(.*?)^```",
        EVENTS.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found, heading
    return found[1]


@pytest.fixture
def door(catalog: Producer) -> Producer:
    """An installation with the segment of the examples."""
    stored = catalog.catalog.export("weekly")
    catalog.catalog.save(
        segments=[Segment(name="loyal-customers", source="data/{refresh_id}/loyal.csv")],
        exports=[stored.model_copy(update={"segments": ("loyal-customers",)})],
    )
    return with_settings(catalog, webhook_secrets=SecretStr(SECRET))


@pytest.fixture
def url(door: Producer) -> Iterator[str]:
    """Where the door answers over HTTP."""

    class Route(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, document = self._answer(body) if self.path == "/v1/events" else (404, {})
            encoded = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
            try:
                accepted = accept(door, dict(self.headers.items()), body, datetime.now(UTC))
            except EventRefused as refused:
                return refused.status, {"detail": str(refused)}
            return accepted.status, accepted.document

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Route)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with the script of the documentation, and the tools that this machine lacks."""
    (tmp_path / "refresh_event.py").write_text(example("Python", "python"))
    put_tools({name: text for name, text in TOOLS.items() if not shutil.which(name)}, tmp_path)
    put_tools({"dbt": stand_ins.DBT}, tmp_path)
    return tmp_path


def put_tools(tools: dict[str, str], workplace: Path) -> None:
    """Makes commands of our stand-ins, found before the machine's own."""
    for name, text in tools.items():
        tool = workplace / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!{sys.executable}\n{text}")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def shell(script: str, workplace: Path, **environment: str) -> str:
    """Runs a script of the shell, and gives what it printed."""
    path = os.pathsep.join([str(workplace / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=workplace,
        env={"PATH": path, "EVENTS_SECRET": SECRET, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_event_is_one() -> None:
    assert read_event(example("The event", "json").encode()).segments == ("loyal-customers",)


def test_the_example_for_curl_starts_a_run_once(door: Producer, url: str, workplace: Path) -> None:
    first, again = (json.loads(shell(example("curl", "sh"), workplace, EVENTS_URL=url)) for _ in range(2))
    (run,) = door.runs.recent()
    assert first["runs"] == again["runs"] == [{"run_id": run.run_id, "export": "weekly"}]
    assert (first["duplicate"], again["duplicate"]) == (False, True)


def test_it_does_so_on_a_machine_without_these_tools(door: Producer, url: str, workplace: Path) -> None:
    put_tools(TOOLS, workplace)
    answer = json.loads(shell(example("curl", "sh"), workplace, EVENTS_URL=url))
    assert [run["run_id"] for run in answer["runs"]] == [door.runs.recent()[0].run_id]


def test_the_answer_has_the_keys_that_are_told(url: str, workplace: Path) -> None:
    (told,) = re.findall(r"^( {4}\{\"source\".*?\})$\n\n", EVENTS.read_text(), re.DOTALL | re.MULTILINE)
    answer = json.loads(shell(example("curl", "sh"), workplace, EVENTS_URL=url))
    assert list(json.loads(told)) == list(answer)
    assert json.loads(told)["runs"][0].keys() == answer["runs"][0].keys()


def test_the_script_for_python_starts_a_run_once(door: Producer, url: str, workplace: Path) -> None:
    command = "python refresh_event.py 2026-11-24 loyal-customers"
    first, again = (json.loads(shell(command, workplace, EVENTS_URL=url)) for _ in range(2))
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert door.runs.recent()[0].trigger.refresh_id == "2026-11-24"


def test_the_script_for_python_tells_why_it_was_refused(
    url: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_URL", url)
    monkeypatch.setenv("EVENTS_SECRET", SECRET)
    send = runpy.run_path(str(workplace / "refresh_event.py"))["send"]
    with pytest.raises(RuntimeError, match=r"422: .*is not in the catalog"):
        send("2026-11-24", ["nobody"])
    monkeypatch.setenv("EVENTS_SECRET", "whsec_d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcg")
    with pytest.raises(RuntimeError, match=r"401: .*Standard Webhooks"):
        send("2026-11-24", ["loyal-customers"])


class Airflow(ModuleType):
    """As much of `airflow.sdk` as a DAG of two tasks needs: it notes the tasks, and their order."""

    def __init__(self) -> None:
        super().__init__("airflow.sdk")
        self.tasks: dict[str, Any] = {}
        self.order: list[tuple[str, str]] = []

    def dag(self, **_: Any) -> Any:
        return lambda function: function

    def task(self, function: Any = None, **_: Any) -> Any:
        if function is None:
            return self.task
        self.tasks[function.__name__] = function
        return lambda: Node(self, function.__name__)


class Node:
    def __init__(self, airflow: Airflow, name: str) -> None:
        self._airflow, self.name = airflow, name

    def __rshift__(self, after: "Node") -> None:
        self._airflow.order.append((self.name, after.name))


def test_the_example_for_airflow_sends_its_event(
    door: Producer, url: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow = Airflow()
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", airflow)
    monkeypatch.delitem(sys.modules, "refresh_event", raising=False)
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.setenv("EVENTS_URL", url)
    monkeypatch.setenv("EVENTS_SECRET", SECRET)
    exec(compile(example("Airflow", "python"), "nightly_segments.py", "exec"), {})  # noqa: S102 - our own
    assert airflow.order == [("write_segments", "tell_segment_export")]
    first, again = (airflow.tasks["tell_segment_export"](ds="2026-11-24") for _ in range(2))
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert [run["run_id"] for run in first["runs"]] == [door.runs.recent()[0].run_id]


def test_the_example_for_dbt_sends_an_event_of_the_refresh_that_was_built(
    door: Producer, url: str, workplace: Path
) -> None:
    shell(example("dbt", "sh"), workplace, EVENTS_URL=url)
    (run,) = door.runs.recent()
    built = json.loads((workplace / "dbt.json").read_text())
    assert built == ["build", "--vars", f"{{refresh_id: {run.trigger.refresh_id}}}"]


def test_the_examples_for_a_stream_add_events_and_repair_them(
    valkey: str, settings: Settings, redis_client: "redis.Redis", workplace: Path
) -> None:
    changes = {"redis_url": SecretStr(valkey), "stream": "refreshes"}
    producer = Producer(settings.model_copy(update=changes))
    define(producer)
    consumer = StreamConsumer.of(producer)
    assert consumer is not None
    entry = shell(example("Over a Redis stream", "sh"), workplace, STREAM_URL=valkey).strip().strip('"')
    assert consumer.once() == 1
    commands = re.findall(r"^ {4}redis-cli (X\w+ .*?)(?: +#.*)?$", EVENTS.read_text(), re.MULTILINE)
    look, show, again = (f"redis-cli -u {valkey} {command}" for command in commands)
    assert "loyal-customers" in shell(look, workplace)
    shown = shell(show.replace("ENTRY", entry), workplace)
    assert "2026-11-24" in shown
    producer.catalog.save([], [Segment(name="loyal-customers", source="data/loyal.csv")])
    event = "'" + example("Over a Redis stream", "sh").split("event '")[1].rstrip("\n")
    shell(again.replace("EVENT", event), workplace)
    consumer.once()
    assert len(redis_client.keys("se:event:*")) == 1


def test_the_rules_for_users_of_redis_are_accepted(redis_client: "redis.Redis") -> None:
    rules = re.findall(r"^ {4}(ACL SETUSER .*)$", EVENTS.read_text(), re.MULTILINE)
    acl: Any = redis_client.execute_command
    try:
        for rule in rules:
            assert acl(*rule.split())
        (upstream,) = [user for user in acl("ACL", "LIST") if user.startswith("user upstream ")]
        assert upstream.split()[-4:] == ["~refreshes", "resetchannels", "-@all", "+xadd"]
    finally:
        acl("ACL", "DELUSER", "upstream", "app")
