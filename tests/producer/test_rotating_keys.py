"""Keys are changed while everything runs: afterwards nothing needs the old one."""

import base64
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from producer.application import Producer
from producer.cli import cli
from tests.clock.installation import environment_of, python
from worker import credentials
from worker.exports.channels import Slack, context
from worker.exports.chunks import StagedChunk
from worker.exports.definitions import Connection, Consent
from worker.exports.outcomes import Outcome, ReportLine
from worker.keyring import Keyring
from worker.settings import Settings
from worker.state import keys
from worker.store import audiences, packs, reports, snapshots
from worker.store.objects import Objects

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
OLD_RING, NEW_RING = Keyring([OLD]), Keyring([NEW])
KEY = "0123456789abcdef0123456789abcdef-us6"
URL = "https://hooks.slack.example/services/x"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def environment(valkey: str, tmp_path: Path) -> dict[str, str]:
    both = ",".join(base64.b64encode(key).decode() for key in (NEW, OLD))
    return environment_of(valkey, tmp_path) | {"SEGMENT_EXPORT_SECRET_KEYS": both}


@pytest.fixture
def installation(
    environment: dict[str, str], redis_client: object, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Producer]:
    """Everything that can be encrypted, under the old key."""
    del redis_client
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    producer = Producer(Settings.from_environment())
    consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
    producer.catalog.save(
        [
            Connection(
                name=name, type="mailchimp", api_key=credentials.seal(KEY, name, OLD_RING), consent=consent
            )
            for name in ("newsletter", "second")
        ],
        notifications=[
            Slack(name="team", type="slack", url=credentials.seal_for(context("team", "url"), URL, OLD_RING))
        ],
    )
    fill(producer.objects)
    yield producer
    producer.client.close()


def fill(objects: Objects) -> None:
    for number in range(3):
        line = ReportLine("loyal", number, "zq@inbox.example", Outcome.REJECTED, "code", "EMAIL", "why")
        reports.write_part(objects, OLD_RING, f"r{number}", "part", [line])
    remembered = audiences.Remembered(pl.DataFrame(schema=audiences.STATUSES), NOW, NOW)
    audiences.save_audience(objects, OLD_RING, "newsletter", "a1b2c3d4e5", remembered)
    row = {"address_hash": 1, "payload_hash": 2, "tags": 1, "key_hash": None, "email": "zq@inbox.example"}
    writer = snapshots.SnapshotWriter(objects, OLD_RING, "weekly", "r1-1")
    writer.add(pl.DataFrame([row], schema=snapshots.COLUMNS))
    for version in ("r1-1", "r1-1/end"):
        snapshots.commit(objects, OLD_RING, manifest(version, writer.close()))


def manifest(version: str, shards: tuple[int, ...]) -> snapshots.Manifest:
    return snapshots.Manifest(
        export="weekly",
        version=version,
        audience_id="a1b2c3d4e5",
        tags=("Loyal",),
        shards=shards,
        members=1,
        made_at="2026-11-24T00:00:00Z",
        last_full="2026-11-24T00:00:00Z",
    )


def rotate(producer: Producer) -> Result:
    return CliRunner().invoke(cli, ["keys", "rotate"], obj=producer)


def everything_opens_with_the_new_key(producer: Producer) -> None:
    objects = producer.objects
    for number in range(3):
        assert len(list(reports.read_lines(objects, NEW_RING, f"r{number}", ["part"]))) == 1
    assert audiences.load_audience(objects, NEW_RING, "newsletter", "a1b2c3d4e5") is not None
    found = snapshots.read_manifest(objects, NEW_RING, "weekly", "r1-1/end")
    assert snapshots.read_hashes(objects, NEW_RING, found).height == 1
    for connection in producer.catalog.connections():
        assert credentials.look_up(connection.api_key, connection.name, NEW_RING, {}) == KEY
    (team,) = producer.catalog.notifications()
    assert isinstance(team, Slack)
    assert credentials.look_up_for(context("team", "url"), team.url, NEW_RING, {}) == URL


def test_rotating_leaves_nothing_under_the_old_key(installation: Producer) -> None:
    before = installation.catalog.everything()
    done = rotate(installation)
    assert done.exit_code == 0, done.output
    assert "Everything is under the first key of SEGMENT_EXPORT_SECRET_KEYS" in done.output
    everything_opens_with_the_new_key(installation)
    assert installation.catalog.everything().connections.keys() == before.connections.keys()
    again = rotate(installation)
    assert again.exit_code == 0
    renewed = [line.split()[1] for line in again.stdout.splitlines()[1:]]
    assert set(renewed) == {"0"}


def test_a_report_does_not_live_longer_for_it(installation: Producer, tmp_path: Path) -> None:
    part = tmp_path / "store" / "reports" / "r0" / "part"
    long_ago = time.time() - 1_000_000
    os.utime(part, (long_ago, long_ago))
    rotate(installation)
    assert part.stat().st_mtime == pytest.approx(long_ago, abs=1)


KILLED = """
import os, signal, sys
from click.testing import CliRunner
from producer.application import Producer
from producer.cli import cli
from worker.store.folder import LocalFolder

rewrite, left = LocalFolder.rewrite, int(sys.argv[1])

def killed_after_a_while(*args):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rewrite(*args)

LocalFolder.rewrite = killed_after_a_while
CliRunner().invoke(cli, ["keys", "rotate"], obj=Producer())
"""


@pytest.mark.parametrize("objects", [0, 2, 5])
def test_a_rotation_that_was_killed_is_done_again(
    installation: Producer, environment: dict[str, str], objects: int
) -> None:
    killed = python(KILLED, environment, str(objects))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert rotate(installation).exit_code == 0
    everything_opens_with_the_new_key(installation)


def test_what_is_staged_is_told_of_and_left_alone(installation: Producer) -> None:
    writer = packs.PartWriter(installation.objects, OLD_RING, "r9", 1)
    writer.add(StagedChunk(number=0, count=0, body=b"{}", rows=b"", segments=b""))
    ((_, _, location),) = writer.commit()
    done = rotate(installation)
    assert done.exit_code == 1
    assert "What is staged (1) goes when its runs have ended: do this again then." in done.output
    assert packs.read_chunk(installation.objects, OLD_RING, "r9", 1, 0, location).body == b"{}"


def test_what_no_key_opens_is_counted_and_keeps_nothing_else_from_being_done(
    installation: Producer,
) -> None:
    installation.objects.put("reports/r7/part", Keyring([b"x" * 32]).seal(b"", "report/r7/part"))
    installation.objects.put("reports/r8/part", b"cut")
    done = rotate(installation)
    assert done.exit_code == 1
    assert "No key opens 2 of these, or they are damaged" in done.output
    everything_opens_with_the_new_key(installation)


def test_a_definition_that_was_applied_meanwhile_stays(
    installation: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody applies another key between the reading and the writing: theirs counts."""
    other = "f" * 32 + "-us6"
    opened = Keyring.open

    def applied_meanwhile(keyring: Keyring, sealed: bytes, place: str) -> bytes:
        if place == credentials.context("second") and not applied:
            applied.append(place)
            changed = installation.catalog.connection("second").model_copy(
                update={"api_key": credentials.seal(other, "second", OLD_RING)}
            )
            installation.catalog.save([changed])
        return opened(keyring, sealed, place)

    applied: list[str] = []
    monkeypatch.setattr(Keyring, "open", applied_meanwhile)
    assert rotate(installation).exit_code == 0
    second = installation.catalog.connection("second")
    assert credentials.look_up(second.api_key, "second", NEW_RING, {}) == other


def test_the_new_key_is_nowhere_in_what_is_told(installation: Producer) -> None:
    done = rotate(installation)
    stored = str(installation.client.hgetall(keys.CATALOG_CONNECTIONS))
    for secret in (KEY, URL, base64.b64encode(NEW).decode(), base64.b64encode(OLD).decode()):
        assert secret not in done.output
        assert secret not in stored
