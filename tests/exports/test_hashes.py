"""Hashes of 128 bits as bytes and back."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.exports.hashes import from_bytes, to_bytes


def test_a_hash_is_sixteen_bytes_the_lowest_first() -> None:
    assert to_bytes(pl.Series([1, 2**127], dtype=pl.UInt128)) == b"\1" + bytes(30) + b"\x80"


@given(st.lists(st.integers(0, 2**128 - 1), max_size=20))
def test_hashes_come_back_from_their_bytes(numbers: list[int]) -> None:
    column = from_bytes(to_bytes(pl.Series(numbers, dtype=pl.UInt128)))

    assert column.dtype == pl.UInt128
    assert column.to_list() == numbers


@pytest.mark.parametrize("length", [1, 15, 17])
def test_half_a_hash_is_none(length: int) -> None:
    with pytest.raises(ValueError, match=r"^Hashes are 16 bytes each, and the last one is not whole\.$"):
        from_bytes(bytes(length))
