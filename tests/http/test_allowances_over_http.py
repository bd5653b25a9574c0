"""Rules 3 and 4 at the door: not even an administrator names over HTTP what the operator does not allow."""

import json
from typing import Any

import pytest

from producer.application import Producer
from tests.http.conftest import Caller

CONSENT = {"agreed_by": "dana", "agreed_on": "2026-11-23"}
KEYS: dict[str, Any] = {"type": "mailchimp", "consent": CONSENT}


@pytest.mark.parametrize(
    "reference", ["env:HOME", "env:SEGMENT_EXPORT_SECRET_KEYS", "file:/etc/passwd", "file:/proc/self/environ"]
)
def test_rule_3_no_reference_is_taken(administrator: Caller, producer: Producer, reference: str) -> None:
    before = producer.catalog.everything()
    added = {"name": "shop", **KEYS, "api_key": reference}
    assert administrator("POST", "/v1/connections", json=added).status_code == 403
    assert (
        administrator("PUT", "/v1/connections/newsletter/key", json={"api_key": reference}).status_code == 403
    )
    assert (
        administrator("PATCH", "/v1/connections/newsletter", json={"api_key": reference}).status_code == 403
    )
    assert producer.catalog.everything() == before


@pytest.mark.parametrize("source", ["/etc/x.csv", "data/../../x.csv", "file:///etc/x.csv"])
def test_rule_4_no_source_is_taken(administrator: Caller, producer: Producer, source: str) -> None:
    before = producer.catalog.everything()
    added = {"name": "mine", "source": source}
    assert administrator("POST", "/v1/segments", json=added).status_code == 403
    assert administrator("PATCH", "/v1/segments/loyal", json={"source": source}).status_code == 403
    assert producer.catalog.everything() == before


def test_rules_3_and_4_hold_for_a_whole_file_too(administrator: Caller, producer: Producer) -> None:
    before = producer.catalog.everything()
    for catalog in (
        {"connections": {"shop": {**KEYS, "api_key": "env:HOME"}}},
        {"segments": {"mine": {"source": "/etc/x.csv"}}},
    ):
        answer = administrator(
            "POST",
            "/v1/catalog",
            content=json.dumps(catalog),
            headers={"Content-Type": "application/yaml"},
        )
        assert answer.status_code == 403, answer.text
    assert producer.catalog.everything() == before


def test_what_the_operator_has_named_may_stay(administrator: Caller, producer: Producer) -> None:
    answer = administrator("PATCH", "/v1/segments/loyal", json={"display_name": "Loyal ones"})
    assert answer.status_code == 200
    assert producer.catalog.segment("loyal").source == "data/loyal.csv"
