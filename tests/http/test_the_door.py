"""A token first: known, not expired, not revoked; and guessing is slow."""

from datetime import UTC, datetime, timedelta

import pytest

from producer.application import Producer
from producer.http.login import FAILURES_OF_ADDRESS, FAILURES_OF_TOKEN
from tests.http.conftest import Caller

HEALTHY = {200}


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic c2U6eA==", "Bearer se_unknown", "bearer\tse_x", "Bearer se_\u00e4"],
)
def test_whoever_has_no_token_is_asked_for_one(nobody: Caller, header: str) -> None:
    answer = nobody("GET", "/v1/me", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_scheme_may_be_written_in_any_case(nobody: Caller, viewer: Caller) -> None:
    answer = nobody("GET", "/v1/me", headers={"Authorization": f"bEARER {viewer.token}"})
    assert answer.status_code == 200


def test_a_token_that_is_revoked_is_refused_at_once(producer: Producer, viewer: Caller) -> None:
    assert viewer("GET", "/v1/me").status_code == 200
    (token,) = [each for each in producer.tokens.all() if each.role == "viewer"]
    producer.tokens.revoke(token.id)
    assert viewer("GET", "/v1/me").status_code == 401


def test_a_token_whose_time_is_over_is_refused(producer: Producer, nobody: Caller) -> None:
    before = datetime.now(UTC) - timedelta(days=1)
    nobody.token, _ = producer.tokens.create("old", "viewer", by="tests", now=before, expires_at=before)
    assert nobody("GET", "/v1/me").status_code == 401


def test_who_fails_too_often_from_an_address_has_to_wait(nobody: Caller) -> None:
    statuses = []
    for attempt in range(FAILURES_OF_ADDRESS + 2):
        nobody.token = f"se_{attempt:043d}"[::-1]
        statuses.append(nobody("GET", "/v1/me").status_code)
    assert statuses == [401] * FAILURES_OF_ADDRESS + [429] * 2


def test_who_fails_too_often_with_one_token_has_to_wait_wherever_it_comes_from(nobody: Caller) -> None:
    nobody.token = "se_" + "x" * 43
    statuses = []
    for attempt in range(FAILURES_OF_TOKEN + 2):
        nobody.address = f"192.0.2.{attempt}"
        answer = nobody("GET", "/v1/me")
        statuses.append(answer.status_code)
    assert statuses == [401] * FAILURES_OF_TOKEN + [429] * 2
    assert answer.headers["retry-after"] == "60"


def test_somebody_elses_failures_lock_no_valid_token_out(nobody: Caller, viewer: Caller) -> None:
    """Behind one proxy all have one address."""
    nobody.token = "se_" + "x" * 43
    for _ in range(FAILURES_OF_ADDRESS + 1):
        nobody("GET", "/v1/me")
    assert viewer("GET", "/v1/me").status_code == 200


def test_failures_are_forgotten_after_a_minute_and_name_nobody(producer: Producer, nobody: Caller) -> None:
    nobody.token = "se_" + "x" * 43
    nobody("GET", "/v1/me")
    counted = [str(key) for key in producer.client.scan_iter("se:attempts:*")]
    assert len(counted) == 2
    assert not any(nobody.address in key or "se_x" in key for key in counted)
    assert all(0 < int(producer.client.ttl(key)) <= 60 for key in counted)


def test_a_body_is_not_read_before_its_sender_is_known(nobody: Caller) -> None:
    answer = nobody("POST", "/v1/exports", content=b"[" * 100)
    assert answer.status_code == 401


def test_a_role_is_asked_before_a_body_is_read(viewer: Caller) -> None:
    answer = viewer("POST", "/v1/exports", content=b"[" * 100)
    assert answer.status_code == 403
    assert "viewer" in answer.json()["detail"]
