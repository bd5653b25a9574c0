import json
from collections.abc import Callable

import polars as pl
import pytest

from worker.errors import StopRun

Read = Callable[[str, bytes], pl.DataFrame]


def test_every_value_becomes_text_with_its_digits(read: Read) -> None:
    found = read(
        "a.ndjson",
        b'{"email": "a@x.org", "n": 1.10, "big": 123456789012345678901234567890, "yes": true, "no": null}\n'
        b'{"email": "b@x.org", "n": "01", "big": -0.0, "yes": false, "no": {"a": [1.50, "\\u00e4"]}}\n',
    )
    assert found.rows() == [
        ("a@x.org", "1.10", "123456789012345678901234567890", "true", None),
        ("b@x.org", "01", "-0.0", "false", '{"a":[1.50,"ä"]}'),
    ]


def test_a_key_that_an_object_lacks_is_null(read: Read) -> None:
    found = read("a.jsonl", b'{"email":"a@x.org"}\n\n{"name":"B"}\r\n  \n{}\n')
    assert found.rows(named=True) == [
        {"email": "a@x.org", "name": None},
        {"email": None, "name": "B"},
        {"email": None, "name": None},
    ]


def test_a_key_that_appears_late_is_a_column_of_all_rows(read: Read) -> None:
    lines = [json.dumps({"email": f"{number}@x.org"}) for number in range(5_000)]
    lines.append('{"email":"last@x.org","late":"yes"}')
    found = read("a.ndjson", "\n".join(lines).encode())
    assert (found.height, found["late"].null_count(), found["late"][-1]) == (5_001, 5_000, "yes")


def test_a_byte_order_mark_is_skipped(read: Read) -> None:
    assert read("a.ndjson", b'\xef\xbb\xbf{"email":"a@x.org"}\n').rows() == [("a@x.org",)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"email":"a@x.org"}\n{"email":"SECRET"\n', "is not valid JSON in UTF-8 in line 2: write one"),
        (b'{"email":"a@x.org"}\n{"email":"SECR\xe9T"}\n', "is not valid JSON in UTF-8 in line 2"),
        (b'{"email":"SECR\\ud800ET"}\n', "is not valid JSON in line 1, perhaps for half of a surrogate pair"),
        (b'{"email":"SECRET\\udc00"}\n', "is not valid JSON in line 1, perhaps for half of a surrogate pair"),
        (b'\n["SECRET"]\n', "has no JSON object in line 2: write one object a line"),
        (b'{"n":NaN}\n', "is not valid JSON in UTF-8 in line 1"),
        (b"[" * 100_000, "is not valid JSON in UTF-8 in line 1"),
        (b'{"n":' + b"9" * 5_000 + b"}", "is not valid JSON in UTF-8 in line 1"),
        (b"\n\n{}\n", "holds no profile with any value"),
        (b"", "is empty, it does not even name its columns"),
        (json.dumps({str(n): n for n in range(2_001)}).encode(), "has more than 2,000 different keys"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_bad_file_is_one_sentence_with_file_and_line_and_without_contents(
    read: Read, content: bytes, sentence: str
) -> None:
    with pytest.raises(StopRun, match=rf"/a\.ndjson {sentence}") as stopped:
        read("a.ndjson", content)
    assert "SECR" not in str(stopped.value)
    assert stopped.value.__cause__ is None


def test_a_line_without_end_is_not_read_into_memory_as_a_whole(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.sources.ndjson_text._LONGEST_LINE", 100)
    with pytest.raises(StopRun, match=r"is longer than .* in line 2: write one JSON object a line"):
        read("a.ndjson", b'{"email":"a@x.org"}\n[' + b'{"email":"a@x.org"},' * 100 + b"]")
