from typing import Any

import msgspec

from worker.exports.attributes import MergeField
from worker.exports.planning import PlanSettings, Survey, survey
from worker.exports.runs import Lint

_FIELDS = [MergeField("FNAME", "First name", "text"), MergeField("AGE", "Age", "number")]
_SETTINGS = PlanSettings(email="email", attributes={"FNAME": "first", "AGE": "age"})


def _found(memory_table: type, ages: list[Any], firsts: list[str]) -> Survey:
    half = len(ages) // 2
    people = [f"person.{at}@x.org" for at in range(len(ages))]
    tables = [
        memory_table(name, {"email": people[part], "age": ages[part], "first": firsts[part]})
        for name, part in (("loyal", slice(half)), ("new", slice(half, None)))
    ]
    return survey(tables, _SETTINGS, _FIELDS)


def test_what_does_not_fit_is_named_by_segment_and_row(memory_table: type) -> None:
    found = _found(memory_table, ["1", "old", "2", "3", "young", "4"], ["a"] * 5 + ["x" * 300])
    assert found.lint() == {"AGE": Lint(2, 0, ["loyal:2", "new:2"]), "FNAME": Lint(0, 1, ["new:3"])}


def test_where_everything_fits_nothing_is_said(memory_table: type) -> None:
    assert _found(memory_table, ["1", "2"], ["a", "b"]).lint() == {}


def test_ten_rows_stand_for_all_and_duplicates_for_none(memory_table: type) -> None:
    table = memory_table(
        "loyal",
        {
            "email": [f"{at % 20}@x.org" for at in range(40)],
            "age": ["old"] * 40,
            "first": ["x" * 300] + ["a"] * 39,
        },
    )
    lint = survey([table], _SETTINGS, _FIELDS).lint()
    assert lint["AGE"] == Lint(20, 0, [f"loyal:{row}" for row in range(1, 11)])
    assert lint["FNAME"] == Lint(0, 1, ["loyal:1"])


def test_a_row_is_found_by_its_number_over_all_tables(memory_table: type) -> None:
    found = _found(memory_table, ["1"] * 6, ["a"] * 6)
    assert [found.place(number) for number in (0, 2, 3, 5)] == [(0, 1), (0, 3), (1, 1), (1, 3)]


def test_a_required_field_without_a_value_is_counted(memory_table: type) -> None:
    """Mailchimp would refuse these profiles, unless the export lets it skip the rule."""
    people = {"email": ["a@x.org", "b@x.org", "c@x.org"], "age": ["1", None, "old"]}
    settings = PlanSettings(email="email", attributes={"AGE": "age"})
    fields = [MergeField("AGE", "Age", "number", required=True)]
    table = memory_table("loyal", people)
    assert survey([table], settings, fields).lint() == {"AGE": Lint(1, 0, ["loyal:3", "loyal:2"], missing=1)}
    skipping = msgspec.structs.replace(settings, skip_required=True)
    assert survey([table], skipping, fields).lint() == {"AGE": Lint(1, 0, ["loyal:3"])}
