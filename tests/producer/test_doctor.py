import base64
from datetime import date, timedelta
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from producer.application import Producer
from producer.findings import Finding
from producer.health import inspect
from producer.stream import StreamConsumer
from tests.clock.installation import declare, export
from tests.producer.conftest import SegmentExport
from worker import credentials
from worker.exports.channels import Slack
from worker.exports.definitions import Connection, Consent
from worker.exports.runs import Trigger
from worker.keyring import Keyring
from worker.settings import Settings

CONSENT = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))


@pytest.fixture
def server(redis_client: "redis.Redis", settings: Settings) -> Producer:
    """A producer on the embedded server, which is fit for work."""
    return Producer(settings, client=redis_client)


def levels(findings: list[Finding], level: str) -> list[str]:
    return [finding.sentence for finding in findings if finding.level == level]


def seal(producer: Producer, keyring: Keyring) -> None:
    reference = credentials.seal("0123456789abcdef0123456789abcdef-us1", "sealed", keyring)
    producer.catalog.save([Connection(name="sealed", type="mailchimp", api_key=reference, consent=CONSENT)])


def test_a_fit_installation_has_nothing_to_mend(server: Producer) -> None:
    server.presence.seen()
    seal(server, server.keyring)
    findings = list(inspect(server))
    assert {finding.level for finding in findings} == {"ok"}
    told = "\n".join(finding.sentence for finding in findings)
    for part in (
        "Valkey 9",
        "answers at redis://127.0.0.1:1/0",
        "noeviction",
        "appendonly yes",
        "takes, gives and deletes objects",
        "The key of SEGMENT_EXPORT_SECRET_KEYS is usable and opens 1 stored API key.",
        "1 worker process is alive, 0 runs active.",
        "segment-export 0",
        "Python 3",
    ):
        assert part in told
    assert "secret@" not in told


def test_the_probe_leaves_nothing_in_the_store(server: Producer, tmp_path: Path) -> None:
    list(inspect(server))
    assert [file for file in (tmp_path / "store").rglob("*") if file.is_file()] == []


def test_without_workers_it_says_how_to_start_one(server: Producer) -> None:
    (sentence,) = levels(list(inspect(server)), "fail")
    assert sentence.startswith("No worker is running: start one with `dramatiq worker.main:boot`")


def test_a_server_that_evicts_fails(server: Producer) -> None:
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert any(
            "set maxmemory-policy to noeviction" in each for each in levels(list(inspect(server)), "fail")
        )
    finally:
        server.client.config_set("maxmemory-policy", "noeviction")


def test_a_server_that_forgets_is_warned_of(server: Producer) -> None:
    server.client.config_set("appendonly", "no")
    try:
        assert levels(list(inspect(server)), "warn") == [
            "Redis forgets everything at a restart: set appendonly to yes."
        ]
    finally:
        server.client.config_set("appendonly", "yes")


def test_a_stored_key_that_another_key_encrypted_fails(server: Producer) -> None:
    seal(server, Keyring([bytes(32)]))
    assert (
        "The key of SEGMENT_EXPORT_SECRET_KEYS does not open the stored API key of sealed: add the key that "
        "encrypted it, or apply the connection with its API key again."
    ) in levels(list(inspect(server)), "fail")


def test_a_reference_that_leads_nowhere_here_is_a_warning(server: Producer) -> None:
    server.catalog.save(
        [Connection(name="far", type="mailchimp", api_key="env:NO_SUCH_VARIABLE", consent=CONSENT)]
    )
    (sentence,) = levels(list(inspect(server)), "warn")
    assert sentence == (
        "The API key of connection far is not known here (environment variable NO_SUCH_VARIABLE is missing); "
        "the workers need it."
    )


def test_it_says_whether_events_over_http_are_taken(server: Producer, settings: Settings) -> None:
    assert "Events over HTTP are refused, as SEGMENT_EXPORT_WEBHOOK_SECRETS is not set." in levels(
        list(inspect(server)), "ok"
    )
    open_to_all = Producer(settings.model_copy(update={"unsigned_events": True}), client=server.client)
    assert any("need no signature" in each for each in levels(list(inspect(open_to_all)), "warn"))


def test_it_says_who_reads_the_stream_of_events_and_what_was_set_aside(
    server: Producer, settings: Settings, valkey: str
) -> None:
    changes = {"stream": "refreshes", "redis_url": SecretStr(valkey)}
    producer = Producer(settings.model_copy(update=changes), client=server.client)
    producer.client.xadd("refreshes", {"event": "poison"})
    assert "Nobody reads the stream refreshes, 1 event left in it: start the process clock." in levels(
        list(inspect(producer)), "fail"
    )
    consumer = StreamConsumer.of(producer)
    assert consumer is not None
    consumer.once()
    findings = list(inspect(producer))
    assert "Events are read from the stream refreshes, 0 events left in it." in levels(findings, "ok")
    assert any(
        "1 event of the stream refreshes could not be used" in each for each in levels(findings, "warn")
    )


def test_it_makes_no_key_file_where_nobody_would_look_for_it(
    redis_client: "redis.Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keyring = settings.keyring()
    monkeypatch.delenv("SEGMENT_EXPORT_SECRET_KEYS")
    producer = Producer(Settings.from_environment(), client=redis_client)
    assert any(
        each.startswith("No key has been needed so far") for each in levels(list(inspect(producer)), "ok")
    )
    seal(producer, keyring)
    assert any(
        each.startswith("1 stored API key can't be opened, as there is no key file")
        for each in levels(list(inspect(producer)), "fail")
    )
    assert not (tmp_path / "var").exists()


def test_unusable_keys_and_an_unusable_store_each_fail_and_the_rest_is_looked_at(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("in the way")
    monkeypatch.setenv("SEGMENT_EXPORT_STORE_URL", (tmp_path / "store").as_uri())
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", base64.b64encode(b"short").decode())
    producer = Producer(Settings.from_environment(), client=redis_client)
    producer.presence.seen()
    findings = list(inspect(producer))
    assert len(levels(findings, "fail")) == 1
    producer.catalog.save([Connection(name="far", type="mailchimp", api_key="env:PATH", consent=CONSENT)])
    failed = levels(list(inspect(producer)), "fail")
    assert len(failed) == 2
    assert "32 bytes" in failed[1]
    assert findings[-1].level == "ok"


def test_an_unusable_environment_is_the_first_thing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://secret:secret@nowhere")
    (finding,) = inspect(Producer())
    assert finding.level == "fail"
    assert "REDIS_URL" in finding.sentence
    assert "secret" not in finding.sentence


@pytest.mark.here
def test_doctor_prints_a_line_each_and_exits_with_1_if_something_fails(segment_export: SegmentExport) -> None:
    result = segment_export("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all(line[:6] in {"ok    ", "warn  ", "fail  "} for line in lines)
    assert lines[-1].startswith("ok    segment-export ")


NO_CLOCK = "No clock is running, so no schedule fires and nobody is notified: start `segment-export clock`."


@pytest.mark.parametrize("keys", [{"run": "0 6 * * *"}, {"expect_refresh": "26h"}])
def test_a_schedule_without_a_clock_fails(server: Producer, keys: dict[str, str]) -> None:
    declare(server, export())
    assert NO_CLOCK not in levels(list(inspect(server)), "fail")
    declare(server, export(**keys))
    assert NO_CLOCK in levels(list(inspect(server)), "fail")
    server.clocks.seen()
    assert NO_CLOCK not in levels(list(inspect(server)), "fail")
    assert "1 clock process is alive." in levels(list(inspect(server)), "ok")


def test_a_notification_that_was_given_up_is_warned_of(server: Producer) -> None:
    server.catalog.save(notifications=[Slack(name="team", type="slack", url="env:URL")])
    assert NO_CLOCK in levels(list(inspect(server)), "fail")
    server.runs.create("r1", export="weekly", trigger=Trigger("manual"))
    server.runs.stop("r1", status="canceled", sentence="Canceled.")
    (happening,) = server.outbox.happenings()
    server.outbox.fan_out(happening, ["team"])
    (delivery,) = server.outbox.claim(timedelta(minutes=1))
    server.outbox.give_up(delivery, "Notification team was not told: its address answered 500.")
    assert any(
        warning.startswith("1 notification could not be delivered (team)")
        for warning in levels(list(inspect(server)), "warn")
    )
