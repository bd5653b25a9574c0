"""The whole way over HTTP: a catalog, a refresh, live progress, the audience; and the end of the process."""

import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from tests.catalogs import TAGS, two_segments
from tests.mailchimp_standin.reports import digest
from tests.mailchimp_standin.validation import MergeField
from tests.profiles import Segments, expected_members, segments
from tests.system import BIN, System, Web, wait_until
from worker.exports.runs import RunDocument
from worker.state.tokens import Tokens


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(processes=1) as system:
        audience = system.standin.audience()
        audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        yield system


@pytest.fixture(scope="module")
def small() -> Segments:
    return segments(3_000)


@pytest.fixture
def web(system: System) -> Web:
    return system.start_web(
        SEGMENT_EXPORT_ALLOWED_ENV="MAILCHIMP_API_KEY", SEGMENT_EXPORT_SOURCE_ROOTS=str(system.data)
    )


@pytest.fixture
def client(system: System, web: Web) -> Iterator[httpx.Client]:
    """An administrator."""
    token, _ = Tokens(system.ledger).create("tests", "administrator", by="tests", now=datetime.now(UTC))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=web.url, headers=headers, timeout=30) as client:
        yield client


def progress(client: httpx.Client, run_id: str) -> list[RunDocument]:
    """Each document of a run's stream, until the stream ends."""
    with client.stream("GET", f"/v1/runs/{run_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    return [msgspec.json.decode(line, type=RunDocument) for line in lines]


def test_from_a_catalog_to_the_audience_without_a_command(
    system: System, client: httpx.Client, small: Segments
) -> None:
    catalog = two_segments(system.data)
    applied = client.post("/v1/catalog", content=catalog, headers={"Content-Type": "application/yaml"})
    assert applied.status_code == 200, applied.text
    small.write(system.data / "r1")
    started = client.post("/v1/refreshes", json={"refresh_id": "r1"})
    assert started.status_code == 202, started.text
    (run,) = started.json()["runs"]
    seen = progress(client, run["run_id"])
    assert seen[-1].status == "partial", "some made-up addresses are refused"
    assert client.get(f"/v1/runs/{run['run_id']}").content == msgspec.json.encode(seen[-1])
    assert system.standin.audience().digest() == digest(expected_members(small, TAGS))
    rows = client.get(f"/v1/runs/{run['run_id']}/rejected", params={"format": "ndjson"})
    left_out = seen[-1].profiles
    assert len(rows.text.splitlines()) == sum(
        left_out[outcome] for outcome in ("invalid", "duplicate", "suppressed", "rejected", "failed")
    )


def test_a_stream_tells_of_each_change_and_ends_when_its_token_does(
    system: System, web: Web, client: httpx.Client, small: Segments
) -> None:
    client.post(
        "/v1/catalog", content=two_segments(system.data), headers={"Content-Type": "application/yaml"}
    )
    client.post("/v1/connections/newsletter/pause")
    small.write(system.data / "r2")
    (run,) = client.post("/v1/refreshes", json={"refresh_id": "r2"}).json()["runs"]
    made = client.post("/v1/tokens", json={"name": "for a while", "role": "viewer"}).json()
    viewer = {"Authorization": f"Bearer {made['token']}"}
    with httpx.stream(
        "GET", f"{web.url}/v1/runs/{run['run_id']}/events", headers=viewer, timeout=20
    ) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: run"
        assert client.delete(f"/v1/tokens/{made['id']}").status_code == 200
        rest = list(lines)
    assert '"status":"successful"' not in "".join(rest)
    client.post("/v1/connections/newsletter/resume")
    assert client.post(f"/v1/runs/{run['run_id']}/cancel").status_code in {200, 409}


def test_the_process_ends_soon_though_a_stream_is_open(
    system: System, web: Web, client: httpx.Client
) -> None:
    client.post(
        "/v1/catalog", content=two_segments(system.data), headers={"Content-Type": "application/yaml"}
    )
    client.post("/v1/connections/newsletter/pause")
    (run,) = client.post("/v1/refreshes", json={"refresh_id": "r3"}).json()["runs"]
    with client.stream("GET", f"/v1/runs/{run['run_id']}/events") as stream:
        assert next(stream.iter_lines()) == "event: run"
        web.process.send_signal(signal.SIGTERM)
        wait_until(lambda: web.process.poll() is not None, "the web process has ended", timeout=10)
    system.command("resume", "newsletter", capture_output=True)


def test_a_port_that_is_taken_is_one_sentence(system: System, web: Web) -> None:
    port = web.url.rpartition(":")[2]
    done = subprocess.run(
        [BIN / "segment-export", "serve"],
        cwd=system.folder,
        env=system.environment | {"PORT": port},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_has_a_line_for_each_request_and_nobody_in_it(system: System, client: httpx.Client) -> None:
    client.get("/v1/runs/dana@example.com", params={"who": "dana@example.com"})
    client.post("/v1/exports/dana@example.com/quarantine/clear", json={"address": "dana@example.com"})
    wait_until(lambda: "/v1/exports/{name}/quarantine/clear" in system.log.read_text(), "both are logged")
    lines = [line for line in system.log.read_text().splitlines() if '"http.request"' in line]
    assert {"method", "route", "status", "ms"} <= msgspec.json.decode(lines[-1], type=dict[str, Any]).keys()
    assert "dana" not in str(lines)
    assert client.headers["Authorization"].removeprefix("Bearer ") not in system.log.read_text()
