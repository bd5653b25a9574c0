import polars as pl
import pytest

from worker.exports.attributes import MergeField
from worker.exports.delta import KNOWN, OUT, Standing, Why, hold_against
from worker.exports.examples import by_fate, examples
from worker.exports.mapping import lacking_fields
from worker.exports.masking import masked
from worker.exports.moves import MOVED
from worker.exports.planning import PlanSettings, Survey, survey
from worker.exports.preview import Example
from worker.exports.statuses import hash_of

_AGE = MergeField("AGE", "Age", "number")
_SETTINGS = PlanSettings(email="email", attributes={"AGE": "age"}, on_bad_value="reject")
_NO_MOVES = pl.DataFrame(schema=MOVED)


@pytest.fixture
def found(memory_table: type) -> Survey:
    loyal = {
        "email": ["a@x.org", " B@x.org", "nobody", None, "c@x.org", "a@x.org", "d@x.org"],
        "age": ["1", "2", "3", "4", "old", "6", "7"],
    }
    new = {"email": ["e@x.org", "c@x.org", "f@x.org"], "age": ["1", "2", "3"]}
    return survey([memory_table("loyal", loyal), memory_table("new", new)], _SETTINGS, [_AGE])


def _accepted(found: Survey) -> pl.DataFrame:
    """The first two people as they are, the last one with something else."""
    rows = found.rows.filter(pl.col("kept").is_null()).select(list(KNOWN))
    other = rows.tail(1).with_columns(payload_hash=pl.lit(7, dtype=pl.UInt128))
    return pl.concat([rows.head(2), other])


def test_everybody_has_one_fate_and_examples_name_address_row_and_reason(found: Survey) -> None:
    out = hash_of(["d@x.org"]).to_frame().with_columns(why=pl.lit(int(Why.CLEANED), dtype=pl.UInt8))
    accepted = _accepted(found)
    held = hold_against(found, Standing(accepted=accepted, out=out.select(list(OUT))))
    fates = by_fate(held, accepted, _NO_MOVES)
    assert sum(rows.len() for rows in fates.values()) == found.counts()["read"]
    assert {fate: people for fate, people in examples(held, fates).items() if people} == {
        "new": [Example("e@x.org", "new:1")],
        "changed": [Example("f@x.org", "new:3")],
        "unchanged": [Example("a@x.org", "loyal:1"), Example("B@x.org", "loyal:2")],
        "suppressed": [Example("d@x.org", "loyal:7", "cleaned")],
        "rejected": [Example("c@x.org", "loyal:5", "bad_value AGE")],
        "invalid": [
            Example("nobody", "loyal:3", "email_malformed email"),
            Example("", "loyal:4", "email_missing email"),
        ],
        "duplicate": [
            Example("a@x.org", "loyal:6", "duplicate email"),
            Example("c@x.org", "new:2", "duplicate email"),
        ],
    }


def test_a_full_export_sends_again_what_has_not_changed(found: Survey) -> None:
    accepted = _accepted(found)
    held = hold_against(found, Standing(accepted=accepted, full=True))
    fates = by_fate(held, accepted, _NO_MOVES)
    assert {fate: fates[fate].to_list() for fate in ("new", "changed", "again", "unchanged")} == {
        "new": [6, 7],
        "changed": [9],
        "again": [0, 1],
        "unchanged": [],
    }


def test_without_anything_accepted_all_are_new_and_movers_are_among_them(found: Survey) -> None:
    moves = pl.DataFrame(
        {"address_hash": hash_of(["f@x.org"]), "old_hash": hash_of(["old@x.org"])}, schema=MOVED
    )
    fates = by_fate(hold_against(found, Standing()), None, moves)
    assert fates["new"].to_list() == [0, 1, 6, 7, 9]
    assert fates["moved"].to_list() == [9]


def test_ten_examples_are_enough_and_no_more_is_read_than_they_need(memory_table: type) -> None:
    table = memory_table("loyal", {"email": [f"{at}@x.org" for at in range(50)]})
    found = hold_against(survey([table], PlanSettings(email="email"), []), Standing())
    people = examples(found, by_fate(found, None, _NO_MOVES))["new"]
    assert [each.row for each in people] == [f"loyal:{row}" for row in range(1, 11)]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("dana@example.com", "d***@e***.com"),
        ("  x@mail.bücher.example ", "x***@m***.example"),
        ("not an address", "n***"),
        ("@nobody.example", "@***"),
        ("two@@signs.example", "t***@s***.example"),
        ("someone@localhost", "s***"),
        ("dana@home. Dana Miller lives here", "d***"),
        ("", "***"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_merge_fields_that_lack_get_the_type_of_their_column(memory_table: type) -> None:
    columns = {"n": [1.5], "i": [1], "d": [None], "t": ["x"], "b": [True], "mixed": [1]}
    frame = pl.DataFrame(columns).with_columns(d=pl.lit(None, dtype=pl.Datetime))
    other = frame.with_columns(mixed=pl.lit("1"))
    settings = PlanSettings(
        email="email",
        attributes={**{name.upper(): name for name in columns}, "AGE": "n", "GONE": "no such column"},
    )
    tables = [memory_table("loyal", frame), memory_table("new", other)]
    assert {field.tag: field.type for field in lacking_fields(settings, [_AGE], tables)} == {
        "B": "text",
        "D": "date",
        "GONE": "text",
        "I": "number",
        "MIXED": "text",
        "N": "number",
        "T": "text",
    }
