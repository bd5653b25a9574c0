import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.exports.attributes import Attribute, MergeField, is_cut, is_present, json_value
from worker.exports.values import LONGEST_TEXT, is_plain, tidy

LEFT_OUT = object()
_EAST = timezone(timedelta(hours=9))


def _converted(attribute: Attribute, frame: pl.DataFrame) -> pl.DataFrame:
    tidied = frame.select(tidy(pl.col(name), kind).alias(name) for name, kind in frame.schema.items())
    return tidied.select(
        pl.int_range(pl.len()).alias("number"),
        json_value(attribute, tidied.schema).alias("json"),
        is_present(attribute).alias("present"),
        is_cut(attribute, tidied.schema).alias("cut"),
    )


def _value(kind: str, value: Any, dtype: Any = None, choices: tuple[str, ...] = ()) -> Any:
    """What is sent for a value; `LEFT_OUT` if it does not fit; None if there is none."""
    attribute = Attribute(MergeField("TAG", "Name", kind, choices=choices), {"": "column"})
    frame = pl.DataFrame({"column": pl.Series([value, None], dtype=dtype, strict=False)})
    row, nothing = _converted(attribute, frame).rows(named=True)
    assert (nothing["json"], nothing["present"], nothing["cut"]) == (None, False, False)
    if not row["present"]:
        assert row["json"] is None
        return None
    return LEFT_OUT if row["json"] is None else json.loads(row["json"])


@pytest.mark.parametrize(
    ("value", "dtype", "sent"),
    [
        ("Zoë 😀 O'Neil", None, "Zoë 😀 O'Neil"),
        ('say "hi" \\ back', None, 'say "hi" \\ back'),
        (" kept ", None, " kept "),
        ("a\0b\x07c\x9dd", None, "abcd"),
        ("1 Main St\r\n\tFlat 2\x85", None, "1 Main St Flat 2 "),
        ("", None, None),
        (" \u3000", None, None),
        ("\0\n", None, None),
        (True, None, "true"),
        (12, pl.Int8, "12"),
        (2**64 - 1, pl.UInt64, "18446744073709551615"),
        (12.0, None, "12"),
        (12.5, None, "12.5"),
        (float("nan"), None, None),
        (Decimal("1.50"), pl.Decimal(10, 2), "1.50"),
        (date(2024, 2, 29), None, "2024-02-29"),
        (datetime(2024, 2, 29, 23, 5, 7, 999), None, "2024-02-29 23:05:07"),  # noqa: DTZ001 (without a zone)
        (datetime(2024, 2, 29, 23, tzinfo=UTC), pl.Datetime("ms", "Asia/Tokyo"), "2024-03-01 08:00:00+09:00"),
        (time(7, 5), None, "07:05:00"),
        ("gold", pl.Categorical, "gold"),
        ("gold", pl.Enum(["gold", "silver"]), "gold"),
        (None, pl.Null, None),
    ],
)
@pytest.mark.parametrize("kind", ["text", "phone", "a type to come"])
def test_text_is_any_value_without_control_characters(kind: str, value: Any, dtype: Any, sent: Any) -> None:
    assert _value(kind, value, dtype) == sent


@pytest.mark.parametrize(
    ("value", "dtype", "sent"),
    [
        (12, pl.Int64, 12),
        (-0.5, None, -0.5),
        (1e300, None, 1e300),
        (3.0, None, 3),
        (Decimal("1.50"), pl.Decimal(10, 2), 1.5),
        ("12", None, 12),
        (" +007 ", None, 7),
        ("-12.50", None, -12.5),
        (".5", None, 0.5),
        ("5.", None, 5),
        ("1E3", None, 1000),
        ("1234567890123456789", None, 1234567890123456789.0),
        ("", None, None),
        ("1,5", None, LEFT_OUT),
        ("1 000", None, LEFT_OUT),
        ("0x10", None, LEFT_OUT),
        ("١٢", None, LEFT_OUT),
        ("NaN", None, LEFT_OUT),
        ("inf", None, LEFT_OUT),
        ("1e999", None, LEFT_OUT),
        ("twelve", None, LEFT_OUT),
        (float("inf"), None, LEFT_OUT),
        (float("nan"), None, None),
        (True, None, LEFT_OUT),
        (date(2024, 1, 1), None, LEFT_OUT),
    ],
)
def test_a_number_is_a_number_or_text_that_is_one(value: Any, dtype: Any, sent: Any) -> None:
    assert _value("number", value, dtype) == sent


_DAYS = [
    (date(2024, 2, 29), None, "2024-02-29"),
    (datetime(1999, 12, 31, 23, 59), None, "1999-12-31"),  # noqa: DTZ001 (without a zone)
    (datetime(1999, 12, 31, 23, 59, tzinfo=UTC), pl.Datetime("us", "Asia/Tokyo"), "2000-01-01"),
    ("2024-02-29", None, "2024-02-29"),
    (" 2024-02-29T23:05:07.123Z ", None, "2024-02-29"),
    ("2024-02-29 23:05:07+01:00", None, "2024-02-29"),
    ("2024-02-29 23:05:07 UTC", None, "2024-02-29"),
    ("0001-01-01", None, "0001-01-01"),
    ("", None, None),
    ("2023-02-29", None, LEFT_OUT),
    ("2024-2-9", None, LEFT_OUT),
    ("0000-01-01", None, LEFT_OUT),
    ("2024-02-29 or so", None, LEFT_OUT),
    ("29.02.2024", None, LEFT_OUT),
    ("02/29/2024", None, LEFT_OUT),
    ("20240229", None, LEFT_OUT),
    (20240229, None, LEFT_OUT),
    (True, None, LEFT_OUT),
    (2**30, pl.Date, LEFT_OUT),
]


@pytest.mark.parametrize(("value", "dtype", "sent"), _DAYS)
def test_a_date_is_a_day_or_unambiguous_text(value: Any, dtype: Any, sent: Any) -> None:
    assert _value("date", value, dtype) == sent


@pytest.mark.parametrize(
    ("value", "dtype", "sent"),
    [
        *(
            (value, dtype, f"{sent[5:7]}/{sent[8:]}" if isinstance(sent, str) else sent)
            for value, dtype, sent in _DAYS
        ),
        ("02/29", None, "02/29"),
        (" 12-31 ", None, "12/31"),
        ("02/30", None, LEFT_OUT),
        ("13/01", None, LEFT_OUT),
        ("31/12", None, LEFT_OUT),
        ("2/9", None, LEFT_OUT),
        ("00/00", None, LEFT_OUT),
        ("0229", None, LEFT_OUT),
    ],
)
def test_a_birthday_is_a_day_of_any_year(value: Any, dtype: Any, sent: Any) -> None:
    assert _value("birthday", value, dtype) == sent


@pytest.mark.parametrize(
    ("value", "dtype", "sent"),
    [
        ("00501", None, "00501"),
        (" 12345-6789 ", None, "12345"),
        (501, None, "00501"),
        (501.0, None, "00501"),
        (Decimal("90210.00"), pl.Decimal(10, 2), "90210"),
        ("501", None, LEFT_OUT),
        ("1234", None, LEFT_OUT),
        ("123456", None, LEFT_OUT),
        ("12345-", None, LEFT_OUT),
        ("SW1A 1AA", None, LEFT_OUT),
        ("١٢٣٤٥", None, LEFT_OUT),
        (0, None, LEFT_OUT),
        (-501, None, LEFT_OUT),
        (100_000, None, LEFT_OUT),
        (501.5, None, LEFT_OUT),
        (date(2024, 1, 1), None, LEFT_OUT),
        (True, None, LEFT_OUT),
    ],
)
def test_a_zip_is_five_digits(value: Any, dtype: Any, sent: Any) -> None:
    assert _value("zip", value, dtype) == sent


@pytest.mark.parametrize("kind", ["url", "imageurl"])
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("https://x.org", "https://x.org"),
        (' http://x.org/a?b="c"#d ', 'http://x.org/a?b="c"#d'),
        ("https://münchen.de/ä", "https://münchen.de/ä"),
        ("x.org", LEFT_OUT),
        ("ftp://x.org", LEFT_OUT),
        ("javascript:alert(1)//https://x.org", LEFT_OUT),
        ("https://", LEFT_OUT),
        ("https://localhost/a.b", LEFT_OUT),
        ("https://x.org/a b", LEFT_OUT),
        (12, LEFT_OUT),
    ],
)
def test_a_url_begins_with_http_or_https(kind: str, value: Any, sent: Any) -> None:
    assert _value(kind, value) == sent


@pytest.mark.parametrize("kind", ["radio", "dropdown"])
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("gold", "gold"),
        (" gold ", "gold"),
        ('"', '"'),
        (1, "1"),
        (True, "true"),
        ("Gold", LEFT_OUT),
        ("", None),
    ],
)
def test_a_choice_is_one_of_the_fields(kind: str, value: Any, sent: Any) -> None:
    assert _value(kind, value, choices=("gold", '"', "1", "true")) == sent


def test_no_value_is_one_of_no_choices() -> None:
    assert _value("radio", "gold") is LEFT_OUT


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200).filter(str.strip))
def test_text_is_cut_at_255_bytes_between_two_characters(text: str) -> None:
    attribute = Attribute(MergeField("TAG", "Name", "text"), {"": "column"})
    row = _converted(attribute, pl.DataFrame({"column": [text, "short"]})).row(0, named=True)
    sent = json.loads(row["json"])
    assert text.startswith(sent)
    assert row["cut"] == (len(text.encode()) > LONGEST_TEXT) == (sent != text)
    assert len(sent.encode()) <= LONGEST_TEXT
    if row["cut"]:
        assert len(text[: len(sent) + 1].encode()) > LONGEST_TEXT


_PARTS = {
    "addr1": "street",
    "addr2": "more",
    "city": "city",
    "state": "state",
    "zip": "code",
    "country": "country",
}


def _address(**values: Any) -> tuple[Any, bool]:
    frame = pl.DataFrame({column: [values.get(part)] for part, column in _PARTS.items()})
    row = _converted(Attribute(MergeField("ADDRESS", "Address", "address"), _PARTS), frame).row(0, named=True)
    return row["json"] and json.loads(row["json"]), row["present"]


def test_an_address_is_an_object_of_its_parts() -> None:
    whole = {
        "addr1": '1 "A" St',
        "addr2": "b",
        "city": "München",
        "state": "BY",
        "zip": "80331",
        "country": "DE",
    }
    assert _address(**whole) == (whole, True)


def test_parts_that_an_address_may_lack_are_left_out() -> None:
    assert _address(addr1="1", addr2=" ", city="C", state="S", zip=12) == (
        {"addr1": "1", "city": "C", "state": "S", "zip": "12"},
        True,
    )


@pytest.mark.parametrize("missing", ["addr1", "city", "state", "zip"])
def test_an_incomplete_address_does_not_fit(missing: str) -> None:
    whole = {"addr1": "1", "city": "C", "state": "S", "zip": "1"}
    assert _address(**{**whole, missing: ""}) == (None, True)


def test_an_empty_address_is_none() -> None:
    assert _address(addr1="", city=" ") == (None, False)


def test_parts_of_an_address_are_cut_and_told() -> None:
    frame = pl.DataFrame({column: ["x" * 300] for column in _PARTS.values()})
    row = _converted(Attribute(MergeField("ADDRESS", "Address", "address"), _PARTS), frame).row(0, named=True)
    assert row["cut"]
    assert {len(part) for part in json.loads(row["json"]).values()} == {LONGEST_TEXT}


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (pl.String(), True),
        (pl.Int8(), True),
        (pl.Time(), True),
        (pl.Null(), True),
        (pl.List(pl.String()), False),
        (pl.Struct({"a": pl.String()}), False),
        (pl.Array(pl.Int8(), 2), False),
        (pl.Duration("us"), False),
        (pl.Object(), False),
    ],
)
def test_lists_and_objects_are_no_values(kind: pl.DataType, plain: bool) -> None:  # noqa: FBT001 (a table)
    assert is_plain(kind) is plain


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["\0", '"\\'])
        )
    )
)
def test_any_text_becomes_json_that_reads_back_as_that_text(texts: list[str | None]) -> None:
    attribute = Attribute(MergeField("TAG", "Name", "text"), {"": "column"})
    frame = pl.DataFrame({"column": pl.Series(texts, dtype=pl.String)})
    for text, sent in zip(texts, _converted(attribute, frame)["json"], strict=True):
        if sent is not None:
            assert text is not None
            controls = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
            assert json.loads(sent).replace(" ", "") in text.translate(controls).replace(" ", "")
