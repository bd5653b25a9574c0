"""What an event has to be, and what it can never carry."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from producer.cloudevents import (
    MOST_IN_A_BATCH,
    TYPE,
    EventRefused,
    RefreshEvent,
    read_batch,
    read_binary,
    read_event,
)
from tests.events.conftest import encoded, event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def made_by_the_sdk() -> CloudEvent:
    attributes = {"type": TYPE, "source": "/warehouse", "id": "1", "subject": "nightly", "partitionkey": "a"}
    return CloudEvent(attributes, {"refresh_id": "r1", "segments": ["churn", "loyal"]})


def is_a_sentence(text: str) -> bool:
    return text[-1:] in {".", "?"} and text.isprintable()


def refused_or_not(read: Callable[..., object], *arguments: Any) -> bool:
    """Whatever is given, it is read, or refused in a sentence."""
    try:
        read(*arguments)
    except EventRefused as refused:
        return is_a_sentence(str(refused))
    return True


def refusal(document: Any) -> str:
    with pytest.raises(EventRefused) as refused:
        read_event(document if isinstance(document, bytes) else encoded(document))
    assert refused.value.status in {400, 422}
    return str(refused.value)


def test_events_of_the_official_library_are_read_in_both_modes() -> None:
    expected = RefreshEvent("/warehouse", "1", "r1", ("churn", "loyal"))
    assert read_event(http.to_structured_event(made_by_the_sdk()).body) == expected
    binary = http.to_binary_event(made_by_the_sdk())
    assert read_binary({name.lower(): text for name, text in binary.headers.items()}, binary.body) == expected


def test_an_event_without_data_is_a_refresh_of_everything_under_its_own_id() -> None:
    bare = event("2026-11-24")
    for data in (None, {}, {"refresh_id": None, "segments": None}):
        assert read_event(encoded(bare | {"data": data})) == RefreshEvent(
            "/warehouse", "2026-11-24", "2026-11-24", None
        )
    del bare["data"]
    assert read_event(encoded(bare)).segments is None


def test_an_event_sent_again_is_known_by_source_and_id_whatever_else_changed() -> None:
    first = read_event(encoded(event("1", segments=["churn", "loyal"])))
    again = read_event(encoded({"time": "later"} | event("1", segments=["loyal", "churn", "loyal"])))
    assert (first.key, first.asks) == (again.key, again.asks)
    other = read_event(encoded(event("1", segments=["churn"])))
    assert first.key == other.key
    assert first.asks != other.asks
    # source and id can't be shifted into each other
    shifted = [
        read_event(encoded(event("1", refresh_id="r") | change))
        for change in (
            {"source": "a", "id": "bc"},
            {"source": "ab", "id": "c"},
        )
    ]
    assert shifted[0].key != shifted[1].key


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": None}, "no usable id"),
        ({"id": ""}, "no usable id"),
        ({"id": 1}, "no usable id"),
        ({"id": "a\nb"}, "no usable id"),
        ({"id": "x" * 501}, "no usable id"),
        ({"source": None}, "no usable source"),
        ({"source": {"a": 1}}, "CloudEvents does not allow"),
        ({"specversion": None}, 'no specversion "1.0"'),
        ({"specversion": "0.3"}, 'no specversion "1.0"'),
        ({"type": None}, "no usable type"),
        ({"type": "com.example.other"}, 'type "com.example.other" is not taken here'),
        ({"traceParent": "x"}, "names are lower-case letters"),
        ({"refresh_id": "r1"}, "names are lower-case letters"),
        ({"segments": ["churn"]}, "values text, whole numbers or booleans"),
        ({"ratio": 0.5}, "values text, whole numbers or booleans"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"data": "r1"}, "no JSON object"),
        ({"data": ["r1"]}, "no JSON object"),
        ({"data": {"url": "file:///etc/passwd"}}, 'unknown key "url"'),
        ({"data": {"source": "s3://bucket/x"}}, 'unknown key "source"'),
        ({"data": {"sql": "select 1"}}, 'unknown key "sql"'),
        ({"data": {"segment": ["churn"]}}, "did you mean segments"),
        ({"data": {"segments": []}}, "names nothing"),
        ({"data": {"segments": "churn"}}, "names nothing"),
        ({"data": {"segments": ["churn", 1]}}, "no name of a segment"),
        ({"data": {"segments": ["../churn"]}}, "no name of a segment"),
        ({"data": {"segments": ["churn\n"]}}, "no name of a segment"),
        ({"data": {"refresh_id": "../../etc"}}, "data.refresh_id can't be used"),
        ({"data": {"refresh_id": 7}}, "data.refresh_id can't be used"),
        ({"data": {}, "id": "urn:uuid/1"}, "The event's id can't be the refresh's id too"),
    ],
)
def test_what_is_wrong_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    said = refusal(event() | change)
    assert sentence in said
    assert is_a_sentence(said)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "dana@example.com", "data": {}},
        {"type": "dana@example.com"},
        {"dana@example.com": "x"},
        {"data": {"dana@example.com": 1}},
        {"data": {"segments": ["dana@example.com"]}},
        {"data": {"refresh_id": "dana@example.com"}},
    ],
)
def test_no_sentence_repeats_an_address(change: dict[str, Any]) -> None:
    assert "dana" not in refusal(event() | change)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"{", b"{} x", b"nope", b"NaN", b'{"id": NaN}', b"\xef\xbb\xbf{}", b'"\\ud800"'),
        *(b'"\xed\xa0\x80"', b"1" * 5000, b"1e999", b"[" * 60_000, b'{"a":' * 10_000, b"[" * 21 + b"]" * 21),
        *(b"null", b"1", b'"text"', b"[]", b"[{}]", b"{}"),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_odd_bodies_are_refused(body: bytes) -> None:
    assert refusal(body)


def test_deep_nesting_is_refused_wherever_it_is() -> None:
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    for change in ({"extension": deep}, {"data": {"segments": deep}}, {"data": {"refresh_id": deep}}):
        assert refusal(event() | change)


def test_a_batch_tells_its_good_events_from_its_bad_ones() -> None:
    good, bad, odd = read_batch(encoded([event("1"), event("2", url="x"), 3]))
    assert isinstance(good, RefreshEvent)
    assert isinstance(bad, EventRefused)
    assert isinstance(odd, EventRefused)
    assert read_batch(b"[]") == []


def test_a_batch_that_is_none_or_too_long_is_refused() -> None:
    with pytest.raises(EventRefused, match="The batch is no list"):
        read_batch(encoded(event()))
    with pytest.raises(EventRefused, match=f"at most {MOST_IN_A_BATCH}"):
        read_batch(encoded([1] * (MOST_IN_A_BATCH + 1)))


@given(st.binary(max_size=300) | json_values.map(encoded))
def test_whatever_a_body_is_it_is_read_or_refused(body: bytes) -> None:
    assert refused_or_not(read_event, body)
    assert refused_or_not(read_batch, body)


@given(st.dictionaries(st.sampled_from([*event(), "time", "data_base64", "ext"]), json_values))
def test_whatever_stands_in_an_event_it_is_read_or_refused(change: dict[str, Any]) -> None:
    assert refused_or_not(read_event, encoded(event() | change))


@given(
    st.dictionaries(st.sampled_from(["ce-id", "ce-source", "ce-type", "ce-ext", "ce-", "other"]), st.text()),
    st.binary(max_size=50) | st.just(b"{}"),
)
def test_whatever_headers_are_they_are_read_or_refused(headers: dict[str, str], body: bytes) -> None:
    whole = {"ce-specversion": "1.0", "ce-type": TYPE, "ce-source": "/w", "ce-id": "1"}
    assert refused_or_not(read_binary, whole | headers, body)


def test_headers_of_binary_mode_are_decoded() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-type": TYPE,
        "ce-source": quote("/Datenlager/Köln"),
        "ce-id": "1",
    }
    assert read_binary(headers, json.dumps({"refresh_id": "r"}).encode()).source == "/Datenlager/Köln"
