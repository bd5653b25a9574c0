import polars as pl
import pytest

from worker.errors import StopRun
from worker.exports.attributes import MergeField
from worker.exports.definitions import AddressColumns
from worker.exports.mapping import check_columns, check_kinds, match_fields
from worker.exports.plan import PlanSettings

_FIELDS = [
    MergeField("FNAME", "First name", "text"),
    MergeField("LNAME", "Last name", "text", required=True),
    MergeField("ADDRESS", "Address", "address"),
    MergeField("BDAY", "Birthday", "birthday", required=True),
]
_ADDRESS = AddressColumns(addr1="street", city="city", state="state", zip="code")
_REQUIRED = {"LNAME": "last", "BDAY": "born"}


def _match(attributes: dict[str, str | AddressColumns]) -> list[tuple[str, dict[str, str]]]:
    found = match_fields(PlanSettings(email="email", attributes=attributes), _FIELDS)
    return [(one.field.tag, dict(one.columns)) for one in found]


def test_attributes_are_matched_by_tag_and_sorted() -> None:
    assert _match({**_REQUIRED, "ADDRESS": _ADDRESS}) == [
        ("ADDRESS", {"addr1": "street", "city": "city", "state": "state", "zip": "code"}),
        ("BDAY", {"": "born"}),
        ("LNAME", {"": "last"}),
    ]


def test_all_that_does_not_fit_the_audience_is_one_sentence() -> None:
    with pytest.raises(StopRun) as stopped:
        _match({"FNAM": "first", "X": "x", "ADDRESS": "address", "FNAME": _ADDRESS})
    assert str(stopped.value) == (
        "The export's attributes don't fit the audience's merge fields: "
        'it has no merge field "FNAM" (did you mean "FNAME"?) or "X" among FNAME, LNAME, ADDRESS, BDAY; '
        "ADDRESS is an address and needs columns for addr1, city, state and zip; "
        "FNAME is of type text and takes one column, not those of an address; "
        "it requires LNAME and BDAY, which no attribute fills; "
        "correct the attributes, or the merge fields in Mailchimp."
    )


def test_an_audience_without_merge_fields_is_named_as_such() -> None:
    with pytest.raises(StopRun, match='it has no merge field "FNAME" among none at all;'):
        match_fields(PlanSettings(email="email", attributes={"FNAME": "first"}), [])


def test_missing_columns_of_all_sources_are_one_sentence(memory_table: type) -> None:
    tables = [
        memory_table("loyal", {"Email": ["a"], "first": ["b"]}),
        memory_table("new", {"email": ["a"], "first": ["b"]}),
        memory_table("old", {"email": ["a"]}),
    ]
    with pytest.raises(StopRun) as stopped:
        check_columns(tables, ["email", "first"])
    assert str(stopped.value) == (
        "The sources lack columns of the export: "
        'data/loyal.csv has no column "email" (did you mean "Email"?) among Email, first; '
        'data/old.csv has no column "first" among email; '
        "correct email and attributes in the export, or let the refresh write these columns."
    )


def test_of_very_many_columns_some_are_named(memory_table: type) -> None:
    with pytest.raises(StopRun, match=r"among c0, c1, .*, c29 and 70 more; correct"):
        check_columns([memory_table("wide", {f"c{n}": [n] for n in range(100)})], ["email"])


def test_a_column_of_lists_is_one_sentence() -> None:
    with pytest.raises(
        StopRun, match=r'data/a\.parquet holds no single values in the column "all" \(List\(String\)\):'
    ):
        check_kinds("data/a.parquet", {"email": pl.String(), "all": pl.List(pl.String())})
