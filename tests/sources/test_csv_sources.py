import csv
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import StopRun
from worker.sources import open_segment

Read = Callable[[str, bytes], pl.DataFrame]


def test_every_value_is_text_as_it_stands(read: Read) -> None:
    found = read("a.csv", b'email,zip,since,paid\na@x.org,00501, 2024-01-01,TRUE\nb@x.org,1e5,"",\n')
    assert found.schema == dict.fromkeys(("email", "zip", "since", "paid"), pl.String)
    assert found.rows() == [("a@x.org", "00501", " 2024-01-01", "TRUE"), ("b@x.org", "1e5", "", "")]


def test_quotes_commas_and_line_breaks_inside_fields_are_kept(read: Read) -> None:
    found = read("a.csv", b'email,note\r\n"a@x.org","one, ""two""\r\nthree"\r\nb@x.org,four\r\n')
    assert found.rows() == [("a@x.org", 'one, "two"\r\nthree'), ("b@x.org", "four")]


def test_a_byte_order_mark_and_international_letters_are_understood(read: Read) -> None:
    found = read("a.csv", b"\xef\xbb\xbf" + "email,straße\nz@x.org,😀 ש\n".encode())
    assert found.rows(named=True) == [{"email": "z@x.org", "straße": "😀 ש"}]


def test_blank_lines_are_no_profiles(read: Read) -> None:
    assert read("a.csv", b"\nemail,n\n\na@x.org,1\n\n\nb@x.org,2\n\n").height == 2


def test_odd_names_of_columns_are_just_names(read: Read) -> None:
    assert read("a.csv", b"^.*$,*,email\n1,2,3\n").rows(named=True) == [{"^.*$": "1", "*": "2", "email": "3"}]


def test_columns_without_a_name_are_left_out(read: Read) -> None:
    found = read("a.csv", b",email,,first\n0,a@x.org,,A\n1,b@x.org,,B\n")
    assert found.rows(named=True) == [{"email": "a@x.org", "first": "A"}, {"email": "b@x.org", "first": "B"}]


def test_a_header_alone_is_a_segment_without_profiles(read: Read) -> None:
    found = read("a.csv", b"email,first_name\n")
    assert (found.height, found.columns) == (0, ["email", "first_name"])


def test_a_cell_of_ten_megabytes_is_read(read: Read) -> None:
    assert (
        read("a.csv", b"email,note\na@x.org," + b"x" * 10_000_000 + b"\n")["note"].str.len_bytes().item()
        == 10**7
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"email,n\na@x.org,1\nb@x.org,SECRET,3\n",
            "has 3 fields in line 3, but 2 in its header: give",
        ),
        (b"email,n\na@x.org,1\n\nSECRET\n", "has 1 field in line 4, but 2 in its header"),
        (b"email,n\na@x.org,SECR\xe9T\n", "is not UTF-8 in line 2: save the file in UTF-8"),
        ("email,n\na@x.org,SECRET\n".encode("utf-16"), "is not UTF-8 in line 1"),
        (b"email,n\na@x.org,1\nb@x.org,SEC\0RET\n", "holds a NUL character in line 3"),
        (
            b'email,n\na@x.org,1\nb@x.org,"SECRET\nc@x.org,3\n',
            "has a misplaced or unclosed quot.* in line 3:",
        ),
        (b'email,n\na@x.org,"SECRET" 2\n', "has a misplaced or unclosed quotation.* in line 2:"),
        (
            b"email,n\na@x.org," + b"SECRET" * (3 << 20) + b"\n",
            "has .* a field of more than 16 MiB.* in line 2:",
        ),
        (b"email,n,email\n", 'names the column "email" more than once in line 1'),
        (b"\n\n", "holds no header line"),
        (b",,\n1,2,3\n", "names no column in line 1"),
        (b"", "is empty, it does not even name its columns"),
        (b"," * 5_000 + b"\n", "has more than 2,000 columns"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_bad_file_is_one_sentence_with_file_and_line_and_without_contents(
    read: Read, content: bytes, sentence: str
) -> None:
    with pytest.raises(StopRun, match=rf"/a\.csv {sentence}") as stopped:
        read("a.csv", content)
    assert "SECR" not in str(stopped.value)
    assert stopped.value.__cause__ is None


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(_text, min_size=width, max_size=width), min_size=1)
    )
)
def test_what_was_written_as_csv_is_read_back(rows: list[list[str]]) -> None:
    header = [f"column {number}" for number in range(len(rows[0]))]
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(written.getvalue().encode())
        with open_segment("loyal", str(path), None) as table:
            found = [list(row) for batch in table.batches(header) for row in batch.iter_rows()]
    assert found == rows
