"""What becomes of events: started once, whatever is sent again and whoever dies in between."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from itertools import count
from typing import Any

import fakeredis
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from producer.application import Producer
from producer.cloudevents import EventRefused, RefreshEvent, read_event
from producer.incoming import BATCH, MOST_BYTES, accept, take
from tests.events.conftest import NOW, Post, encoded, event, signed, with_settings
from tests.producer.conftest import define
from worker.broker import NAMESPACE, Doorbell
from worker.exports.definitions import Segment
from worker.settings import Settings
from worker.state import keys

JSON = "application/json"


def runs_of(document: dict[str, Any]) -> list[str]:
    return [run["run_id"] for run in document["runs"]]


def test_an_event_starts_the_exports_of_its_segments(door: Producer, post: Post) -> None:
    answer = post(event("7", refresh_id="2026-11-24", segments=["churn"]))
    (run,) = door.runs.recent()
    assert answer.status == HTTPStatus.ACCEPTED
    assert answer.document == {
        "source": "/warehouse",
        "id": "7",
        "refresh_id": "2026-11-24",
        "duplicate": False,
        "runs": [{"run_id": run.run_id, "export": "both"}],
        "unknown_segments": [],
    }


def test_an_event_sent_again_answers_the_same_runs_as_a_duplicate(door: Producer, post: Post) -> None:
    first = post(event(), webhook_id="msg_1")
    again = post(event(), webhook_id="msg_2")
    assert (first.status, again.status) == (HTTPStatus.ACCEPTED, HTTPStatus.OK)
    assert again.document == first.document | {"duplicate": True}
    assert len(door.runs.recent()) == 1


def test_an_event_is_remembered_as_long_as_runs_are(door: Producer, post: Post) -> None:
    post(event())
    (key,) = door.client.keys(keys.event("*"))
    keep = door.settings.keep.total_seconds()
    assert keep - 60 < door.client.ttl(key) <= keep


def test_the_same_id_with_other_wishes_is_a_conflict(door: Producer, post: Post) -> None:
    post(event("1", refresh_id="r1", segments=["churn"]))
    for data in ({"refresh_id": "r1", "segments": ["loyal"]}, {"refresh_id": "r2", "segments": ["churn"]}):
        with pytest.raises(EventRefused, match="Another event had the same source and id") as refused:
            post(event("1", **data))
        assert refused.value.status == HTTPStatus.CONFLICT
    assert len(door.runs.recent()) == 1


def test_the_same_id_of_another_source_is_another_event(post: Post) -> None:
    assert post(event("1", refresh_id="r1")).status == HTTPStatus.ACCEPTED
    assert post(event("1", refresh_id="r2") | {"source": "/other"}).status == HTTPStatus.ACCEPTED


def test_unknown_segments_are_reported_and_known_ones_run(post: Post) -> None:
    answer = post(event("1", refresh_id="r1", segments=["churn", "chrun", "nobody"]))
    assert [run["export"] for run in answer.document["runs"]] == ["both"]
    assert answer.document["unknown_segments"] == ["chrun", "nobody"]
    assert post(event("1", refresh_id="r1", segments=["churn", "chrun", "nobody"])).document[
        "unknown_segments"
    ] == ["chrun", "nobody"]


def test_a_segment_that_was_unknown_is_refreshed_under_a_new_id(door: Producer, post: Post) -> None:
    first = post(event("1", refresh_id="r1", segments=["churn", "new"]))
    door.catalog.save(
        segments=[Segment(name="new", source="data/new.csv")],
        exports=[door.catalog.export("weekly").model_copy(update={"segments": ("new",)})],
    )
    again = post(event("2", refresh_id="r1", segments=["churn", "new"]))
    assert {run["export"] for run in again.document["runs"]} == {"both", "weekly"}
    assert set(runs_of(first.document)) < set(runs_of(again.document))


def test_an_event_of_unknown_segments_alone_is_refused_and_may_be_sent_again(
    door: Producer, post: Post
) -> None:
    wrong = event("1", refresh_id="r1", segments=["chrun"])
    with pytest.raises(EventRefused, match=r"'chrun' is not in the catalog; did you mean churn\?") as refused:
        post(wrong)
    assert refused.value.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert post(event("1", refresh_id="r1", segments=["churn"])).status == HTTPStatus.ACCEPTED
    assert len(door.runs.recent()) == 1


def test_each_event_of_a_batch_has_its_own_answer(door: Producer, post: Post) -> None:
    batch = [event("1"), event("2", url="x"), event("3", segments=["nope"]), event("1"), 5]
    with capture_logs() as logs:
        answer = post(batch, media=BATCH)
    assert answer.status == HTTPStatus.MULTI_STATUS
    results = answer.document["results"]
    assert [result["status"] for result in results] == [202, 422, 422, 200, 422]
    assert 'unknown key "url"' in results[1]["detail"]
    assert runs_of(results[0]) == runs_of(results[3]) == [door.runs.recent()[0].run_id]
    assert [line["event"] for line in logs].count("event.refused") == 3


def test_a_batch_sent_again_changes_nothing(door: Producer, post: Post) -> None:
    batch = [event("1"), event("2", segments=["loyal"])]
    first, again = (post(batch, media=BATCH) for _ in range(2))
    assert first.status == again.status == HTTPStatus.ACCEPTED
    assert [result["status"] for result in again.document["results"]] == [200, 200]
    assert len(door.runs.recent()) == 3


def test_a_batch_without_a_good_event_is_refused_as_one_is(door: Producer, post: Post) -> None:
    with pytest.raises(
        EventRefused, match=r"No event of the batch can be used\. The first: .*url"
    ) as refused:
        post([event("1", url="x"), 5], media=BATCH)
    assert refused.value.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert door.runs.recent() == []


def test_what_is_refused_is_logged_for_whoever_looks_after_the_sender(post: Post) -> None:
    with capture_logs() as logs, pytest.raises(EventRefused):
        post(event("1", url="x"))
    assert [line["event"] for line in logs] == ["event.refused"]
    assert 'unknown key "url"' in logs[0]["reason"]


def test_an_empty_batch_is_nothing_to_do(post: Post) -> None:
    assert post([], media=BATCH).document == {"results": []}


def test_a_long_body_and_a_compressed_one_are_refused(door: Producer) -> None:
    long = encoded(event()) + b" " * MOST_BYTES
    body = encoded(event())
    for headers, sent, status in (
        (signed(long), long, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (signed(body) | {"Content-Encoding": "gzip"}, body, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ):
        with pytest.raises(EventRefused) as refused:
            accept(door, headers, sent, NOW)
        assert refused.value.status == status


def test_content_types_may_have_parameters_and_capitals(post: Post) -> None:
    assert post(event(), media="Application/CloudEvents+JSON; charset=UTF-8").status == HTTPStatus.ACCEPTED


@pytest.mark.parametrize("media", [JSON, "", "text/plain", "application/cloudevents+avro"])
def test_other_content_types_are_refused_with_those_that_are_taken(post: Post, media: str) -> None:
    with pytest.raises(EventRefused, match=r"send application/cloudevents\+json or") as refused:
        post(event(), media=media)
    assert refused.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


BINARY = {
    "content-type": JSON,
    "ce-specversion": "1.0",
    "ce-type": event()["type"],
    "ce-source": "/warehouse",
    "ce-id": "1",
}


def test_a_signed_event_in_binary_mode_is_refused_because_its_headers_are_not_signed(door: Producer) -> None:
    body = encoded({"refresh_id": "r1"})
    with pytest.raises(EventRefused, match="a signature does not cover the headers"):
        accept(door, signed(body) | {"Content-Type": JSON} | BINARY, body, NOW)


def test_unsigned_events_are_taken_in_every_mode_where_they_are_allowed(catalog: Producer) -> None:
    trusting = with_settings(catalog, unsigned_events=True)
    body, single = encoded(event()["data"]), {"content-type": "application/cloudevents+json"}
    assert accept(trusting, BINARY, body, NOW).status == HTTPStatus.ACCEPTED
    assert accept(trusting, single, encoded(event()), NOW).status == HTTPStatus.OK


def test_allowing_unsigned_events_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Settings.from_environment().unsigned_events
    monkeypatch.setenv("SEGMENT_EXPORT_UNSIGNED_EVENTS", "true")
    assert Settings.from_environment().unsigned_events


class Killed(BaseException):
    """Stands for a process that dies: nothing catches it."""


@contextmanager
def dying(producer: Producer, at: int) -> Iterator[None]:
    """A process that dies before the command of this number that it sends to Redis."""
    sent = 0
    send: Any = producer.client.execute_command

    def count_and_send(*arguments: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == at:
            raise Killed
        return send(*arguments, **options)

    producer.client.execute_command = count_and_send  # type: ignore[method-assign]
    try:
        yield
    finally:
        producer.client.execute_command = send  # type: ignore[method-assign]


def fresh() -> Producer:
    """An installation of its own, with a catalog."""
    server = fakeredis.FakeServer()
    client: redis.Redis = fakeredis.FakeRedis(server=server, decode_responses=True)
    broker = RedisBroker(client=fakeredis.FakeRedis(server=server), namespace=NAMESPACE, middleware=[])  # type: ignore[no-untyped-call]
    producer = Producer(client=client, doorbell=Doorbell(broker))
    define(producer)
    return producer


def survives(producer: Producer, wish: RefreshEvent, at: int) -> bool:
    with suppress(Killed), dying(producer, at):
        take(producer, wish)
        return True
    return False


def test_a_crash_at_any_step_costs_nothing_but_sending_the_event_again() -> None:
    wish = read_event(encoded(event("1", refresh_id="r1", segments=["loyal"])))
    for step in count(1):
        producer = fresh()
        if survives(producer, wish, step):
            break
        stored = {run.run_id for run in producer.runs.recent()}
        _, document = take(producer, wish)
        assert len(runs_of(document)) == 2
        assert stored <= set(runs_of(document)) == {run.run_id for run in producer.runs.recent()}
    assert step > 8, "the failpoints were not reached"


wishes = st.builds(
    RefreshEvent,
    source=st.sampled_from(["/a", "/b"]),
    id=st.sampled_from("12"),
    refresh_id=st.sampled_from(["r1", "r2"]),
    segments=st.sampled_from([None, ("churn",), ("loyal",), ("churn", "loyal", "nobody")]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(wishes, st.integers(0, 14)), max_size=8))
def test_repeats_reorder_and_crashes_never_start_a_refresh_twice(
    steps: list[tuple[RefreshEvent, int]],
) -> None:
    """Each event leads to the same runs as often as it is answered, and no export runs twice for the same."""
    producer = fresh()
    answered: dict[str, tuple[str, list[str]]] = {}
    for wish, dies_at in [*steps, *((wish, 0) for wish, _ in steps)]:
        with suppress(Killed, EventRefused), dying(producer, dies_at):
            _, document = take(producer, wish)
            first = answered.setdefault(wish.key, (wish.asks, runs_of(document)))
            assert first == (wish.asks, runs_of(document))
    started = [(run.export, run.trigger.refresh_id) for run in producer.runs.recent()]
    # of one refresh, an export runs once for each segment that came by itself at most
    assert all(started.count(each) <= len({"churn", "loyal"}) for each in started)
    assert {run for _, runs in answered.values() for run in runs} <= {
        run.run_id for run in producer.runs.recent()
    }
