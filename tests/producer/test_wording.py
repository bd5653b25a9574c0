import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.wording import clock, counted, moment, number, span, table


@pytest.mark.parametrize(
    ("seconds", "read", "watched"),
    [
        (0, "0.0 s", "0:00:00"),
        (0.44, "0.4 s", "0:00:00"),
        (59.94, "59.9 s", "0:01:00"),
        (59.96, "1 min 0 s", "0:01:00"),
        (200.4, "3 min 20 s", "0:03:20"),
        (3599.7, "1 h 0 min", "1:00:00"),
        (7500, "2 h 5 min", "2:05:00"),
        (360_000, "100 h 0 min", "100:00:00"),
    ],
)
def test_spans_of_time(seconds: float, read: str, watched: str) -> None:
    assert span(timedelta(seconds=seconds)) == read
    assert clock(timedelta(seconds=seconds)) == watched


@given(st.floats(0, 1e6))
def test_no_span_has_sixty_of_anything(seconds: float) -> None:
    assert not re.search(r"\b60(\.0)? (s|min)", span(timedelta(seconds=seconds)))
    assert ":60" not in clock(timedelta(seconds=seconds))


def test_counts() -> None:
    assert (number(1_234_567), counted(1, "run"), counted(2000, "run")) == (
        "1,234,567",
        "1 run",
        "2,000 runs",
    )


def test_moments_are_told_to_the_second() -> None:
    assert (moment("2026-11-24T02:12:07.999Z"), moment(None)) == ("2026-11-24 02:12:07", "")


def test_a_table_is_aligned_for_wide_letters_and_combining_ones() -> None:
    assert table(
        ["NAME", "N"], [["日本", "1"], ["e\u0301", "22"], ["abcd", "333"]], right={1}
    ).splitlines() == [
        "NAME    N",
        "日本    1",
        "e\u0301      22",
        "abcd  333",
    ]
