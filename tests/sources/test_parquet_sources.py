import io
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.errors import StopRun

Read = Callable[[str, bytes], pl.DataFrame]


def _parquet(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_parquet(written, row_group_size=100)
    return written.getvalue()


_FRAME = pl.DataFrame(
    {"email": [f"{n}@x.org" for n in range(1_000)], "n": range(1_000), "ok": [True, None] * 500}
)


def test_types_are_kept(read: Read) -> None:
    found = read("a.PARQUET", _parquet(_FRAME))
    assert found.equals(_FRAME)
    assert found.schema == _FRAME.schema


def test_bytes_without_the_mark_of_text_are_read_as_text(read: Read) -> None:
    assert read("a.parquet", _parquet(pl.DataFrame({"email": ["ä@x.org".encode()]}))).rows() == [("ä@x.org",)]


def test_a_file_without_rows_is_a_segment_without_profiles(read: Read) -> None:
    assert read("a.parquet", _parquet(_FRAME.clear())).height == 0


@pytest.mark.parametrize("content", [b"email\na@x.org\n", b"PAR1PAR1", _parquet(_FRAME)[:-1], b"\0" * 1000])
def test_what_is_no_parquet_is_one_sentence(read: Read, content: bytes) -> None:
    with pytest.raises(
        StopRun, match=r"/a\.parquet can't be read: it is damaged, cut short, or not what its ending"
    ):
        read("a.parquet", content)


def test_bytes_that_are_no_text_are_one_sentence(read: Read) -> None:
    with pytest.raises(StopRun, match=r"/a\.parquet can't be read") as stopped:
        read("a.parquet", _parquet(pl.DataFrame({"email": [b"SECRET\xff"]})))
    assert "SECRET" not in str(stopped.value)


def test_an_empty_file_is_one_sentence(read: Read) -> None:
    with pytest.raises(StopRun, match=r"/a\.parquet is empty"):
        read("a.parquet", b"")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, len(_parquet(_FRAME)) - 1))
def test_a_file_cut_anywhere_is_never_read_as_whole(read: Read, length: int) -> None:
    with pytest.raises(StopRun):
        read("a.parquet", _parquet(_FRAME)[:length])
