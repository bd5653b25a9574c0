import json
import struct
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from tests.planned import told
from worker.errors import StopRun
from worker.exports.attributes import MergeField
from worker.exports.definitions import AddressColumns
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.planning import PlanSettings, RowVerdict, StagedChunk, Survey, survey

_FNAME = MergeField("FNAME", "First name", "text")
_BDAY = MergeField("BDAY", "Birthday", "birthday")
_AGE = MergeField("AGE", "Age", "number")
_SETTINGS = PlanSettings(email="email", attributes={"FNAME": "first"}, tags=("Loyal customers",))


def _staged(found: Survey) -> tuple[list[StagedChunk], list[ReportLine]]:
    items = list(told(found))
    chunks = [item for item in items if isinstance(item, StagedChunk)]
    return chunks, [line for item in items if isinstance(item, list) for line in item]


def _members(found: Survey) -> list[dict[str, Any]]:
    return [member for chunk in _staged(found)[0] for member in json.loads(chunk.body)["members"]]


def test_a_chunk_is_the_finished_body_of_a_call(memory_table: type) -> None:
    table = memory_table(
        "loyal", {"email": [" A@x.org", "nobody", "b@X.org"], "first": ["Zoë", "N", 'B "C" \\']}
    )
    found = survey([table], _SETTINGS, [_FNAME])
    chunks, _ = _staged(found)
    assert chunks == [
        StagedChunk(
            number=0,
            count=2,
            body=(
                '{"members":[{"email_address":"a@x.org","status_if_new":"subscribed",'
                '"merge_fields":{"FNAME":"Zoë"},"tags":["Loyal customers"]},'
                '{"email_address":"b@x.org","status_if_new":"subscribed",'
                '"merge_fields":{"FNAME":"B \\"C\\" \\\\"},"tags":["Loyal customers"]}],'
                '"update_existing":true}'
            ).encode(),
            rows=struct.pack("<2I", 1, 3),
            segments=b"\0\0",
        )
    ]


def test_keys_without_anything_in_them_are_left_out(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org"], "first": [None]})
    settings = PlanSettings(
        email="email", attributes={"FNAME": "first"}, status_if_new="pending", on_null="keep"
    )
    found = survey([table], settings, [_FNAME])
    assert _members(found) == [{"email_address": "a@x.org", "status_if_new": "pending"}]


def test_an_export_of_addresses_alone_needs_no_merge_fields(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org"]})
    assert _members(survey([table], PlanSettings(email="email", tags=("",)), [_FNAME])) == [
        {"email_address": "a@x.org", "status_if_new": "subscribed"}
    ]


@pytest.mark.parametrize(
    ("on_null", "sent"), [("clear", [{"FNAME": ""}, {"FNAME": ""}]), ("keep", [None, None])]
)
def test_null_clears_a_field_or_leaves_it_alone(memory_table: type, on_null: Any, sent: list[Any]) -> None:
    table = memory_table("loyal", {"email": ["a@x.org", "b@x.org"], "first": [None, " "]})
    settings = PlanSettings(email="email", attributes={"FNAME": "first"}, on_null=on_null)
    assert [member.get("merge_fields") for member in _members(survey([table], settings, [_FNAME]))] == sent


def test_an_incomplete_or_empty_address_is_left_out_and_only_the_incomplete_one_is_counted(
    memory_table: type,
) -> None:
    columns = AddressColumns(addr1="street", city="city", state="state", zip="zip")
    table = memory_table(
        "loyal",
        {
            "email": ["a@x.org", "b@x.org", "c@x.org"],
            "street": ["1 St", "2 St", None],
            "city": ["C", None, None],
            "state": ["S", "S", None],
            "zip": [1, 2, None],
        },
    )
    settings = PlanSettings(email="email", attributes={"ADDRESS": columns})
    found = survey([table], settings, [MergeField("ADDRESS", "Address", "address")])
    assert [member.get("merge_fields") for member in _members(found)] == [
        {"ADDRESS": {"addr1": "1 St", "city": "C", "state": "S", "zip": "1"}},
        None,
        None,
    ]
    assert found.bad_values == {"ADDRESS": 1}


def test_a_value_that_does_not_fit_is_left_out_and_counted_once_a_person(memory_table: type) -> None:
    table = memory_table(
        "loyal",
        {"email": ["a@x.org", "b@x.org", "A@x.org", "?"], "born": ["soon", "02/29", "never", "never"]},
    )
    found = survey([table], PlanSettings(email="email", attributes={"BDAY": "born"}), [_BDAY])
    assert [member.get("merge_fields") for member in _members(found)] == [None, {"BDAY": "02/29"}]
    assert (found.bad_values, found.counts()["rejected"]) == ({"BDAY": 1}, 0)


def test_a_value_that_does_not_fit_rejects_the_profile_where_the_export_says_so(memory_table: type) -> None:
    table = memory_table(
        "loyal", {"email": ["a@x.org", "b@x.org"], "born": ["soon", "02/29"], "age": ["old", None]}
    )
    settings = PlanSettings(email="email", attributes={"BDAY": "born", "AGE": "age"}, on_bad_value="reject")
    found = survey([table], settings, [_BDAY, _AGE])
    chunks, lines = _staged(found)
    assert (found.counts()["rejected"], [chunk.count for chunk in chunks]) == (1, [1])
    assert lines == [
        ReportLine(
            "loyal",
            1,
            "a@x.org",
            Outcome.REJECTED,
            "bad_value",
            "AGE",
            "The profile has a value that does not fit its merge field: AGE (number) and BDAY (birthday).",
        )
    ]


def test_text_that_was_cut_is_counted(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org", "b@x.org"], "first": ["ü" * 200, "short"]})
    found = survey([table], _SETTINGS, [_FNAME])
    assert (found.cut_values, found.bad_values) == ({"FNAME": 1}, {"FNAME": 0})
    assert _members(found)[0]["merge_fields"]["FNAME"] == "ü" * 127


def _overlapping(memory_table: type) -> list[Any]:
    return [
        memory_table(
            "loyal", {"email": ["a@x.org", "b@x.org", "A@X.ORG "], "first": ["1", "2", "3"]}, height=1
        ),
        memory_table(
            "new", {"email": ["c@x.org", "B@x.org", None, "a@x.org"], "first": ["4", "5", "6", "7"]}
        ),
    ]


def test_the_first_row_of_an_address_stands_for_all_and_has_all_tags(memory_table: type) -> None:
    settings = PlanSettings(email="email", attributes={"FNAME": "first"}, tags=("Loyal", "New"))
    found = survey(_overlapping(memory_table), settings, [_FNAME])
    assert [(one["email_address"], one["merge_fields"]["FNAME"], one["tags"]) for one in _members(found)] == [
        ("a@x.org", "1", ["Loyal", "New"]),
        ("b@x.org", "2", ["Loyal", "New"]),
        ("c@x.org", "4", ["New"]),
    ]
    (chunk,) = _staged(found)[0]
    assert (struct.unpack("<3I", chunk.rows), chunk.segments) == ((1, 2, 1), b"\0\0\1")
    assert found.counts() == {
        "read": 7,
        "invalid": 1,
        "duplicate": 3,
        "rejected": 0,
        "unchanged": 0,
        "suppressed": 0,
        "to_send": 3,
    }


def test_every_profile_that_is_not_sent_has_a_line_with_its_reason(memory_table: type) -> None:
    settings = PlanSettings(email="email", attributes={"FNAME": "first"})
    _, lines = _staged(survey(_overlapping(memory_table), settings, [_FNAME]))
    assert [(line.segment, line.row, line.email, line.outcome, line.code, line.field) for line in lines] == [
        ("loyal", 3, "A@X.ORG ", "duplicate", "duplicate", "email"),
        ("new", 2, "B@x.org", "duplicate", "duplicate", "email"),
        ("new", 3, "", "invalid", "email_missing", "email"),
        ("new", 4, "a@x.org", "duplicate", "duplicate", "email"),
    ]
    assert [line.message for line in lines] == [
        'Row 1 of segment "loyal" has the same address and stands for this one.',
        'Row 2 of segment "loyal" has the same address and stands for this one.',
        "The profile has no e-mail address.",
        'Row 1 of segment "loyal" has the same address and stands for this one.',
    ]


def test_a_malformed_address_is_reported_as_found_up_to_320_characters(memory_table: type) -> None:
    table = memory_table("loyal", {"email": [" Ä" + "x" * 400], "first": [None]})
    (line,) = _staged(survey([table], _SETTINGS, [_FNAME]))[1]
    assert (line.email, line.code) == (" Ä" + "x" * 318, "email_malformed")


def test_a_rejected_first_row_stands_for_its_duplicates_too(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org", "a@x.org"], "born": ["soon", "02/29"]})
    settings = PlanSettings(email="email", attributes={"BDAY": "born"}, on_bad_value="reject")
    found = survey([table], settings, [_BDAY])
    assert found.counts() == {
        "read": 2,
        "invalid": 0,
        "duplicate": 1,
        "rejected": 1,
        "unchanged": 0,
        "suppressed": 0,
        "to_send": 0,
    }
    assert list(told(found)) == [_staged(found)[1]]


def test_the_same_tag_of_two_segments_is_set_once(memory_table: type) -> None:
    tables = [memory_table(name, {"email": ["a@x.org"]}) for name in ("one", "two", "three")]
    found = survey(tables, PlanSettings(email="email", tags=("Same", "", "Same")), [])
    assert _members(found)[0]["tags"] == ["Same"]


def test_sixty_three_segments_are_one_member_with_all_tags(memory_table: type) -> None:
    tables = [memory_table(str(number), {"email": ["a@x.org"]}) for number in range(63)]
    tags = tuple(f"Tag {number}" for number in range(63))
    found = survey(tables, PlanSettings(email="email", tags=tags), [])
    assert _members(found)[0]["tags"] == list(tags)


def _chunked(memory_table: type, profiles: int, **settings: Any) -> list[StagedChunk | list[ReportLine]]:
    table = memory_table("loyal", {"email": [f"{number}@x.org" for number in range(profiles)]}, height=700)
    return list(told(survey([table], PlanSettings(email="email", **settings), [])))


def test_chunks_are_full_but_for_the_last_one_and_numbered(memory_table: type) -> None:
    chunks = [chunk for chunk in _chunked(memory_table, 1_234) if isinstance(chunk, StagedChunk)]
    assert [(chunk.number, chunk.count) for chunk in chunks] == [(0, 500), (1, 500), (2, 234)]
    assert [len(json.loads(chunk.body)["members"]) for chunk in chunks] == [500, 500, 234]
    rows = b"".join(chunk.rows for chunk in chunks)
    assert struct.unpack("<1234I", rows) == tuple(range(1, 1_235))


def test_a_segment_without_profiles_has_no_chunks(memory_table: type) -> None:
    table = memory_table("loyal", pl.DataFrame(schema={"email": pl.String, "first": pl.String}))
    found = survey([table], _SETTINGS, [_FNAME])
    assert (found.counts()["read"], list(told(found))) == (0, [])


def test_report_lines_come_in_lists_of_ten_thousand_at_most(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org"] * 25_002}, height=7_000)
    items = list(told(survey([table], PlanSettings(email="email"), [])))
    lists = [item for item in items if isinstance(item, list)]
    assert [len(lines) for lines in lists] == [10_000, 10_000, 5_001]
    assert [line.row for lines in lists for line in lines] == list(range(2, 25_003))


def test_the_first_chunk_is_there_before_the_source_is_read_to_its_end(memory_table: type) -> None:
    table = memory_table("loyal", {"email": [f"{number}@x.org" for number in range(5_000)]}, height=500)
    found = survey([table], PlanSettings(email="email"), [])
    taken = []

    def batches(columns: Sequence[str]) -> Any:
        for batch in table.frame.select(columns).iter_slices(500):
            taken.append(batch.height)
            yield batch

    table.batches = batches
    assert isinstance(next(iter(told(found))), StagedChunk)
    assert taken == [500]


def test_the_order_of_attributes_in_the_configuration_changes_nothing(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org"], "first": ["A"], "age": [1]})
    fields = [_FNAME, _AGE]
    one, two = (
        survey([table], PlanSettings(email="email", attributes=attributes), order)
        for attributes, order in (
            ({"FNAME": "first", "AGE": "age"}, fields),
            ({"AGE": "age", "FNAME": "first"}, fields[::-1]),
        )
    )
    assert one.rows.equals(two.rows)
    assert list(told(one)) == list(told(two))


def _payload(memory_table: type, first: str | None, tables: int = 1, **settings: Any) -> int:
    segments = [memory_table(str(n), {"email": ["a@x.org"], "first": [first]}) for n in range(tables)]
    plan = PlanSettings(email="email", **{"attributes": {"FNAME": "first"}, "tags": ("T", "U"), **settings})
    return int(survey(segments, plan, [_FNAME]).rows["payload_hash"][0])


def test_whatever_changes_what_is_sent_changes_the_payloads_hash(memory_table: type) -> None:
    hashes = [
        _payload(memory_table, "A"),
        _payload(memory_table, "B"),
        _payload(memory_table, None),
        _payload(memory_table, None, on_null="keep"),
        _payload(memory_table, "A", tables=2),
        _payload(memory_table, "A", tags=("U", "T")),
        _payload(memory_table, "A", tags=()),
        _payload(memory_table, "A", status_if_new="pending"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert _payload(memory_table, "A", tags=("T",)) == hashes[0] == _payload(memory_table, "A\0")
    assert _payload(memory_table, "A", attributes={}) == _payload(memory_table, None, on_null="keep")


def test_hashes_are_the_same_in_every_release(memory_table: type) -> None:
    table = memory_table("loyal", {"email": [" Zoë@x.org", "A@x.org", "a@x.org"], "first": ["", "É\n", "x"]})
    found = survey([table], _SETTINGS, [_FNAME])
    assert found.rows.to_dict(as_series=False) == {
        "address_hash": [None, *[165640399256896972942250566077461726380] * 2],
        "payload_hash": [
            None,
            46205305928821288609453644373228556689,
            332208819100925931823526175146178883918,
        ],
        "verdict": [RowVerdict.MALFORMED, RowVerdict.SEND, RowVerdict.DUPLICATE],
        "key_hash": [None, None, None],
        "tags": [1, 1, 1],
        "kept": [None, None, 1],
    }


def test_more_profiles_than_the_limit_are_refused_before_all_are_read(memory_table: type) -> None:
    tables = [memory_table(name, {"email": ["a@x.org"] * 6}, height=2) for name in ("one", "two")]
    assert survey(tables, PlanSettings(email="email", max_profiles=12), []).counts()["read"] == 12
    with pytest.raises(
        StopRun, match=r"hold more than 11 profiles, which is its limit: raise max_profiles as far"
    ):
        survey(tables, PlanSettings(email="email", max_profiles=11), [])


def test_missing_columns_and_merge_fields_stop_the_run(memory_table: type) -> None:
    table = memory_table("loyal", {"email": ["a@x.org"]})
    with pytest.raises(StopRun, match=r'data/loyal\.csv has no column "first" among email; correct'):
        survey([table], _SETTINGS, [_FNAME])
    with pytest.raises(StopRun, match='it has no merge field "FNAME" among BDAY; correct'):
        survey([table], _SETTINGS, [_BDAY])


def test_a_column_of_lists_stops_the_run(memory_table: type) -> None:
    table = memory_table("loyal", {"email": [["a@x.org"]]})
    with pytest.raises(StopRun, match=r'data/loyal\.csv holds no single values in the column "email"'):
        survey([table], PlanSettings(email="email"), [])


@pytest.mark.parametrize("rows", [0, 3, 5, 9])
def test_a_source_with_other_rows_than_before_stops_the_run(memory_table: type, rows: int) -> None:
    table = memory_table("loyal", {"email": [f"{number}@x.org" for number in range(4)]})
    found = survey([table], PlanSettings(email="email"), [])
    table.frame = pl.DataFrame({"email": ["a@x.org"] * rows}, schema={"email": pl.String})
    with pytest.raises(StopRun, match=r"^data/loyal\.csv changed while it was read: run the export again\.$"):
        list(told(found))


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Int64, pl.Boolean, pl.Null, pl.Date])
def test_a_column_of_any_type_may_be_named_as_that_of_addresses(memory_table: type, dtype: Any) -> None:
    table = memory_table("loyal", {"email": pl.Series([None, None], dtype=dtype)})
    assert survey([table], PlanSettings(email="email"), []).counts()["invalid"] == 2


def test_odd_names_of_columns_are_just_names(memory_table: type) -> None:
    table = memory_table(
        "loyal",
        {"json FNAME": ["a@x.org"], "email": ["A"], "has FNAME": [1], "^.*$": ["2"], "*": ["3"], "": ["4"]},
    )
    tags = {"FNAME": "email", "AGE": "has FNAME", "A": "^.*$", "B": "*", "C": "", "MAIL": "json FNAME"}
    fields = [_FNAME, _AGE, *(MergeField(tag, tag, "text") for tag in ("A", "B", "C", "MAIL"))]
    found = survey([table], PlanSettings(email="json FNAME", attributes=tags), fields)
    assert _members(found)[0]["merge_fields"] == {
        "A": "2", "AGE": 1, "B": "3", "C": "4", "FNAME": "A", "MAIL": "a@x.org",
    }  # fmt: skip
