"""Rules of docs/security.md that no single room holds: each test is named after its rule."""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import fakeredis
import httpx
import polars as pl
import pytest

from producer.application import Producer
from producer.authorizing import begin, complete
from tests.catalogs import two_segments
from tests.fundamentals.leaks import everything_in, files_below, found
from tests.mailchimp_standin import MergeField
from tests.system import ROOT, System, wait_until
from worker.errors import TellOperator
from worker.settings import Settings
from worker.state import keys
from worker.state.catalog import Catalog
from worker.state.client import connect

CLIENT_SECRET = "5ec2e7c11e475ec2e7c11e47"  # noqa: S105 (nobody's)
CALLBACK = "https://exports.example.com/oauth/callback"
OPERATIONS = ROOT / "docs" / "operations.md"


@pytest.fixture
def exported(system: System, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, str]:
    """A run over a connection that somebody authorized; gives the run, the state and the token."""
    system.standin.add_app("app", CLIENT_SECRET, CALLBACK)
    system.standin.configure_login(dc="us1", deny=False)
    environment = system.environment | {
        "SEGMENT_EXPORT_MAILCHIMP_LOGIN_URL": system.standin.url,
        "SEGMENT_EXPORT_OAUTH_CLIENT_ID": "app",
        "SEGMENT_EXPORT_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "SEGMENT_EXPORT_PUBLIC_URL": "https://exports.example.com",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    producer = Producer(Settings.from_environment())
    link = begin(producer, "dana", producer.catalog.connection("newsletter"))
    brought = parse_qs(urlsplit(httpx.get(link, trust_env=False).headers["Location"]).query)
    state = brought["state"][0]
    complete(producer, state=state, code=brought["code"][0])
    producer.client.close()
    _write(system, "loyal-customers", "churn-risk")
    run_id = system.ask("run", "weekly-newsletter", "--wait")["run_id"]
    return run_id, state, system.standin.tokens()[-1]


def _write(system: System, *segments: str) -> None:
    columns = ("first_name", "last_name", "phone", "city", "visits")
    table = pl.DataFrame([{"email": f"rule{n}@inbox.org"} | dict.fromkeys(columns, "7") for n in range(20)])
    for name in segments:
        path = system.data / "r1" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        table.write_parquet(path)


def test_rule_2_an_oauth_token_and_its_secrets_stand_nowhere(
    system: System, exported: tuple[str, str, str]
) -> None:
    """Neither in Redis, its append-only file, the store, the workers' logs, nor in what commands say."""
    run_id, state, token = exported
    assert system.standin.audience().member("rule1@inbox.org") is not None
    said = [
        system.command(*words, check=False, capture_output=True)
        for words in (
            ("get", "connections", "--json"),
            ("get", "connections"),
            ("status", run_id, "--json"),
            ("check", "newsletter"),
            ("doctor",),
        )
    ]
    assert "Mailchimp answers and takes the key." in said[3].stdout
    written = {
        "Redis and its file": everything_in(system.redis_url) + files_below(system.folder / "valkey"),
        "the store": files_below(system.folder / "store"),
        "logs": system.log.read_bytes(),
        "commands": "".join(each.stdout + each.stderr for each in said).encode(),
    }
    on_the_wire = base64.b64encode(f"segment-export:{token}".encode()).decode().rstrip("=")
    for place, content in written.items():
        for secret in (token, on_the_wire, state, CLIENT_SECRET):
            assert (place, found(secret, content)) == (place, [])


def test_rule_12_every_dependency_is_locked_with_its_hash_and_comes_from_the_index() -> None:
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    locked = [line for line in lines if line.strip() and not line.startswith("#")]
    assert len(locked) > 50
    for line in locked:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line


def test_rule_13_nothing_turns_the_verification_of_certificates_off() -> None:
    """Nor could anybody: there is no setting for it."""
    off = re.compile(
        r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_unverified_context|allow_invalid"
    )
    for room in ("worker", "producer"):
        for module in (ROOT / room).rglob("*.py"):
            assert not off.search(module.read_text()), module


class _Restricted(System):
    """A system whose workers and commands have a user with the rights that the documents tell, no more."""

    password = secrets.token_hex(16)

    @property
    def redis_url(self) -> str:
        return f"redis://app:{self.password}@127.0.0.1:{self.valkey.port}/0"

    @property
    def everybody(self) -> str:
        """Where one may do everything."""
        return f"redis://127.0.0.1:{self.valkey.port}/0"


def _documented_rights(password: str) -> list[str]:
    found_there = re.search(r"ACL SETUSER app on >PASSWORD (.*?)\n\n", OPERATIONS.read_text(), re.DOTALL)
    assert found_there
    return ["on", f">{password}", *found_there[1].replace("\\\n", " ").split()]


@pytest.fixture(scope="module")
def restricted() -> Iterator[_Restricted]:
    with _Restricted(workers=0) as system:
        with connect(system.everybody) as client:
            client.execute_command("ACL", "SETUSER", "app", *_documented_rights(system.password))
        system.start_worker()
        yield system


def test_rule_13_the_redis_user_of_the_documents_has_all_rights_that_are_needed(
    restricted: _Restricted,
) -> None:
    """A whole day: apply, check, refresh, run, pause, cancel, forget, doctor. Nothing was denied."""
    restricted.apply(two_segments(restricted.data))
    _write(restricted, "loyal-customers", "churn-risk")
    for field in ("CITY", "VISITS"):
        restricted.standin.audience().add_merge_field(_field(field))
    checked = restricted.command("check", "newsletter", check=False, capture_output=True)
    assert "fail" not in checked.stdout + checked.stderr
    refreshed = restricted.ask("refresh", "r1", "--wait", check=False)
    assert [(run["status"], run["error"]) for run in refreshed["runs"]] == [("successful", None)]
    restricted.command("pause", "newsletter", capture_output=True)
    run_id = restricted.ask("run", "weekly-newsletter", "--full")["run_id"]
    restricted.command("cancel", run_id, capture_output=True)
    restricted.command("resume", "newsletter", capture_output=True)
    restricted.finished(run_id)
    restricted.command("forget", "rule1@inbox.org", capture_output=True)
    doctor = restricted.command("doctor", check=False, capture_output=True)
    assert "refuses a command" not in doctor.stdout
    with connect(restricted.everybody) as client:
        wait_until(lambda: client.zcard(keys.WORKERS) > 0, "workers have been seen")
        assert client.execute_command("ACL", "LOG") == []


def _field(tag: str) -> MergeField:
    return MergeField(tag=tag, name=tag, type="text")


def test_rule_14_a_connection_that_lost_its_consent_can_not_be_used() -> None:
    """Not even if somebody writes it into Redis."""
    client = fakeredis.FakeRedis(decode_responses=True)
    stored = {"name": "newsletter", "type": "mailchimp", "api_key": "env:KEY"}
    client.hset(keys.CATALOG_CONNECTIONS, "newsletter", json.dumps(stored))
    with pytest.raises(TellOperator, match="newsletter was stored in a form that this version can't read"):
        Catalog(client).connection("newsletter")
