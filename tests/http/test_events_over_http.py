"""Refresh events over HTTP: signed, once each, small; answered when they are stored."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from producer.application import Producer
from producer.http.answers import EventsTaken, EventTaken
from producer.http.login import FAILURES_OF_ADDRESS
from producer.incoming import BATCH, MOST_BYTES
from tests.events.conftest import SECRET, encoded, event, signed
from tests.http.conftest import Caller


@pytest.fixture(autouse=True)
def _secret(producer: Producer) -> None:
    producer.settings = producer.settings.model_copy(update={"webhook_secrets": SecretStr(SECRET)})


def post(caller: Caller, document: Any, **options: Any) -> httpx.Response:
    body = document if isinstance(document, bytes) else encoded(document)
    return caller("POST", "/v1/events", content=body, headers=signed(body, at=datetime.now(UTC), **options))


def test_a_signed_event_starts_its_exports_once(producer: Producer, nobody: Caller) -> None:
    first, again = post(nobody, event()), post(nobody, event())
    assert (first.status_code, again.status_code) == (202, 200)
    (run,) = producer.runs.recent()
    for answer in (first, again):
        taken = EventTaken.model_validate_json(answer.content)
        assert [each.run_id for each in taken.runs] == [run.run_id]


def test_of_a_batch_each_event_has_an_answer(nobody: Caller) -> None:
    answer = post(nobody, [event("1"), event("2", refresh_id="../..")], media=BATCH)
    assert answer.status_code == 207
    results = EventsTaken.model_validate_json(answer.content).results
    assert [each.status for each in results] == [202, 422]


def test_who_signs_wrongly_too_often_has_to_wait(nobody: Caller) -> None:
    body = encoded(event())
    headers = signed(body, at=datetime.now(UTC), webhook_id="another") | {"Webhook-Id": "msg_1"}
    statuses = [
        nobody("POST", "/v1/events", content=body, headers=headers).status_code
        for _ in range(FAILURES_OF_ADDRESS + 1)
    ]
    assert statuses == [401] * FAILURES_OF_ADDRESS + [429]
    assert post(nobody, event()).status_code == 202, "right signatures are let in all the same"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b" " * (MOST_BYTES + 1), 413),
        (b"[" * 1000, 422),
        (b"{}", 422),
        (b"\xff", 401),
        (b'{"id": "\\ud800"}', 400),
        (b"", 400),
    ],
    ids=["large", "deep", "empty", "no text", "surrogate", "nothing"],
)
def test_a_hostile_event_is_refused_with_a_problem(nobody: Caller, body: bytes, status: int) -> None:
    answer = post(nobody, body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_id_that_asks_for_something_else_is_a_conflict(nobody: Caller) -> None:
    post(nobody, event("1", refresh_id="r1", segments=["churn"]))
    assert post(nobody, event("1", refresh_id="r2", segments=["churn"])).status_code == 409
