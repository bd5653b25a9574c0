"""Bodies are read within limits, and as JSON or not at all."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.http.bodies import DEEPEST, depth, read_json
from producer.http.problems import Refusal

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(_JSON)
def test_depth_is_counted_without_what_stands_in_texts(value: Any) -> None:
    assert depth(json.dumps(value).encode()) == _depth(value)
    assert depth(json.dumps(value, ensure_ascii=False).encode()) == _depth(value)


@given(st.binary())
def test_no_bytes_are_too_odd_to_be_read_or_refused(content: bytes) -> None:
    with suppress(Refusal):
        read_json(content)


def test_what_is_as_deep_as_allowed_is_read_and_a_level_more_is_refused() -> None:
    assert read_json(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(Refusal, match="deeper than 20"):
        read_json(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


@pytest.mark.parametrize(
    "content",
    [
        b"NaN",
        b"[Infinity]",
        b"1" * 5000,
        b"1e999",
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'{"a":1,}',
        b"",
        b'"\x00"',
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_json(content)
    assert refused.value.status_code in {400, 422}
