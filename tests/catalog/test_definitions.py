from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from worker.exports.definitions import (
    AddressColumns,
    Connection,
    Consent,
    Export,
    Segment,
    public,
    tag,
)

CONSENT = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
KEY = "0123456789abcdef0123456789abcdef-us6"


def connection(**changes: object) -> Connection:
    values = {"name": "newsletter", "type": "mailchimp", "api_key": "env:MC_KEY", "consent": CONSENT}
    return Connection.model_validate(values | changes)


def segment(**changes: object) -> Segment:
    return Segment.model_validate({"name": "loyal", "source": "data/loyal.parquet"} | changes)


def export(**changes: object) -> Export:
    values = {
        "name": "weekly",
        "connection": "newsletter",
        "audience_id": "a1b2c3d4e5",
        "segments": ("loyal",),
        "email": "email",
    }
    return Export.model_validate(values | changes)


def refused(make: object, **changes: object) -> str:
    assert callable(make)
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    return caught.value.errors()[0]["msg"]


def test_an_export_says_little_and_means_the_usual() -> None:
    usual = export()
    assert (usual.run, usual.mode, usual.status_if_new) == ("on_refresh", "upsert", "subscribed")
    assert (usual.max_profiles, usual.tag_prefix) == (1_000_000, "")
    assert (usual.on_null, usual.on_bad_value) == ("clear", "omit")
    assert usual.attributes == {}


def test_a_connection_says_little_and_means_the_usual() -> None:
    usual = connection()
    assert (usual.access, usual.max_connections) == ("administrators", 10)
    assert usual.display_name == "newsletter"


def test_a_segment_without_a_display_name_shows_its_name() -> None:
    assert segment().display_name == "loyal"


@pytest.mark.parametrize("one", [connection(), segment(), export(attributes={"FNAME": "first"})])
def test_definitions_survive_being_stored(one: BaseModel) -> None:
    assert type(one).model_validate_json(one.model_dump_json(exclude_defaults=True), strict=True) == one


@pytest.mark.parametrize("one", [connection(), segment(), export(), CONSENT])
def test_definitions_are_frozen(one: BaseModel) -> None:
    with pytest.raises(ValidationError):
        one.name = "other"  # type: ignore[attr-defined]  # that it fails is the point


@pytest.mark.parametrize("name", ["a", "0", "a-b_c", "x" * 63])
def test_names_are_lower_case_words(name: str) -> None:
    assert segment(name=name, display_name="Words").name == name


@pytest.mark.parametrize("name", ["", "A", "-a", "_a", "a b", "a.b", "a:b", "a\n", "é", "x" * 64])
def test_what_is_no_name_is_refused(name: str) -> None:
    refused(segment, name=name, display_name="Words")


@pytest.mark.parametrize(
    "audience_id", ["", "a1b2c3d4e", "a1b2c3d4e55", "A1b2c3d4e5", "a1b2c3d4e5\n", "../../../.."]
)
def test_what_is_no_audience_id_is_refused(audience_id: str) -> None:
    refused(export, audience_id=audience_id)


def test_an_audience_id_of_digits_may_come_as_a_number() -> None:
    assert export(audience_id=1234567890).audience_id == "1234567890"


@pytest.mark.parametrize("count", [0, 64])
def test_an_export_has_1_to_63_segments(count: int) -> None:
    refused(export, segments=[f"s{number}" for number in range(count)])


def test_an_export_takes_63_segments() -> None:
    assert len(export(segments=[f"s{number}" for number in range(63)]).segments) == 63


def test_a_segment_named_twice_is_told() -> None:
    assert refused(export, segments=["b", "a", "b"]) == "names b more than once; name each segment once"


@pytest.mark.parametrize("limit", [0, 11, -1])
def test_connections_are_limited_to_1_to_10(limit: int) -> None:
    refused(connection, max_connections=limit)


def test_consent_is_required() -> None:
    with pytest.raises(ValidationError):
        Connection.model_validate({"name": "newsletter", "type": "mailchimp", "api_key": "env:MC_KEY"})


@pytest.mark.parametrize(
    "key", ["env:MC_KEY", "env:_x1", "file:/run/secrets/mc", "file:a b", "encrypted:AAAA="]
)
def test_an_api_key_is_a_reference(key: str) -> None:
    assert connection(api_key=key).api_key == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY,
        "env:",
        "env:1X",
        "env:A-B",
        "env:A\n",
        "env: A",
        "ENV:A",
        "file:",
        "file: x",
        "file:a\nb",
        "file:x ",
        "encrypted:",
        "encrypted:a b",
        "vault:x",
    ],
)
def test_what_is_no_reference_is_refused_and_not_shown(key: str) -> None:
    sentence = refused(connection, api_key=key)
    assert sentence.startswith(
        "is neither a well-formed reference, env:NAME_OF_A_VARIABLE or file:PATH, nor an"
    )


def test_neither_a_key_nor_a_person_is_in_what_is_printed() -> None:
    sealed = connection(api_key="encrypted:AAAA")
    assert "encrypted:" not in repr(sealed)
    assert "dana" not in repr(sealed)
    with pytest.raises(ValidationError) as caught:
        connection(api_key=KEY)
    assert KEY not in str(caught.value)


def test_an_encrypted_key_is_not_public_and_a_reference_is() -> None:
    assert public(connection(api_key="encrypted:AAAA"))["api_key"] == "encrypted"
    assert public(connection()) == {
        "name": "newsletter",
        "type": "mailchimp",
        "display_name": "newsletter",
        "api_key": "env:MC_KEY",
        "access": "administrators",
        "consent": {"agreed_by": "dana@example.com", "agreed_on": "2026-11-23", "text": None},
        "max_connections": 10,
        "max_contacts": None,
        "data_centre": None,
    }


@pytest.mark.parametrize(
    "source",
    [
        "data/loyal.parquet",
        "/data/{refresh_id}/{segment}.csv",
        "file:///data/loyal.ndjson",
        "data/loyal.jsonl",
        "LOYAL.CSV",
    ],
)
def test_a_source_is_a_local_file_of_a_known_kind(source: str) -> None:
    assert segment(source=source).source == source


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            {"sql": "select 1", "database": "env:URL"},
            "is an SQL query or another mapping, which is not supported",
        ),
        ("s3://bucket/loyal.parquet", "is a URL of a kind that is not supported yet; write a local path or"),
        ("https://host/loyal.csv", "is a URL of a kind that is not supported yet; write a local path or"),
        ("file://localhost/data/loyal.csv", "is a file:// URL without an absolute path"),
        ("file://data/loyal.csv", "is a file:// URL without an absolute path; write it as in file:///data"),
        (
            "data/{date}/loyal.csv",
            "has an unknown placeholder or a lone brace; only {refresh_id} and {segment}",
        ),
        ("data/{refresh_id!r}.csv", "has an unknown placeholder or a lone brace; only {refresh_id} and"),
        ("data/{{segment}}.csv", "has an unknown placeholder or a lone brace; only {refresh_id} and"),
        (
            "data/loyal.xlsx",
            "names no file that can be read; its name must end in .parquet, .csv, .ndjson, .jsonl",
        ),
        ("", "names no file that can be read"),
        ("data/\nloyal.csv", "holds a line break or another control character; write it on one line"),
    ],
)
def test_a_source_that_can_not_be_read_is_told(source: object, sentence: str) -> None:
    assert refused(segment, source=source).startswith(sentence)


@given(st.text(max_size=30))
def test_a_source_that_is_taken_can_be_filled_in(middle: str) -> None:
    try:
        source = segment(source=f"data/{middle}.csv").source
    except ValidationError:
        return
    filled = source.replace("{refresh_id}", "r").replace("{segment}", "s")
    assert "{" not in filled
    assert source.format(refresh_id="r", segment="s") == filled


def test_attributes_map_merge_tags_to_columns() -> None:
    address = {"addr1": "street", "city": "city", "state": "state", "zip": "zip"}
    mapped = export(attributes={"FNAME": "first name", "MMERGE_10": 2024, "ADDRESS": address}).attributes
    assert mapped == {
        "FNAME": "first name",
        "MMERGE_10": "2024",
        "ADDRESS": AddressColumns(addr1="street", city="city", state="state", zip="zip"),
    }


@pytest.mark.parametrize("tag_of_field", ["", "fname", "FIRST NAME", "ABCDEFGHIJK", "FNAME\n", "É"])
def test_what_is_no_merge_tag_is_refused(tag_of_field: str) -> None:
    assert refused(export, attributes={tag_of_field: "column"}).startswith(
        "is not a merge tag; write 1 to 10"
    )


def test_the_address_is_no_attribute() -> None:
    assert refused(export, attributes={"EMAIL": "email"}) == (
        "can't be mapped as an attribute; the key email names the column of the addresses"
    )


@pytest.mark.parametrize("missing", ["addr1", "city", "state", "zip"])
def test_an_address_needs_what_mailchimp_requires(missing: str) -> None:
    address = {key: key for key in ("addr1", "city", "state", "zip") if key != missing}
    with pytest.raises(ValidationError, match=missing):
        export(attributes={"ADDRESS": address})


@pytest.mark.parametrize(
    "line", ["0 6 * * *", "*/5 * * * MON-FRI", "0 0 29 2 *", "0 9 L * *", "15 6,18 * * 1#2"]
)
def test_a_cron_line_of_five_fields_is_a_way_to_run(line: str) -> None:
    assert export(run=line, time_zone="Europe/Berlin").run == line


CRON_RULE = (
    "a cron line of five fields (minute, hour, day of month, month, day of week) in quotes, "
    "such as '0 6 * * 1'"
)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("0 0 6 * * *", "6 fields"),
        ("0 6 * *", "4 fields"),
        ("@daily", "1 field"),
        ("0 24 * * *", "bad hour"),
        ("0 6 * * FUN", "bad day-of-week"),
        ("0 6 31 2 *", "bad day-of-month"),
        ("0 6 */31 * MON#5", "a day that never comes"),
    ],
)
def test_a_cron_line_that_can_not_be_followed_is_refused(line: str, fault: str) -> None:
    assert refused(export, run=line) == f"is a schedule that can't be followed ({fault}); write {CRON_RULE}"


@pytest.mark.parametrize("word", ["hourly", "", "dana@example.com 06:00"])
def test_another_way_to_run_is_refused_and_not_repeated(word: str) -> None:
    assert refused(export, run=word) == (
        f"is none of the ways to start a run; write on_refresh, manual or {CRON_RULE}"
    )


@given(st.text("0123456789*,/-#LW ?MON", max_size=30))
def test_whatever_looks_like_a_cron_line_is_taken_or_refused_in_one_sentence(line: str) -> None:
    try:
        export(run=line)
    except ValidationError as error:
        (fault,) = error.errors()
        assert fault["type"] == "predicate"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "../etc/passwd", "/etc/passwd", "Europe", "", "CET CEST"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    assert refused(export, time_zone=name) == (
        "is no time zone that is known; write a name such as Europe/Berlin or UTC"
    )


def test_a_refresh_is_expected_of_exports_that_a_refresh_runs() -> None:
    assert export(expect_refresh="26h").expect_refresh == "26h"
    for run in ("manual", "0 6 * * *"):
        assert refused(export, run=run, expect_refresh="26h").startswith("needs run: on_refresh")


def test_a_tag_is_the_prefix_and_the_display_name() -> None:
    assert tag(export(), segment(display_name="Loyal customers")) == "Loyal customers"
    assert tag(export(tag_prefix="CDP "), segment(display_name="Loyal customers")) == "CDP Loyal customers"


@pytest.mark.parametrize("label", ["", " ", " a", "a ", "a\tb", "x" * 51])
def test_a_display_name_that_is_no_tag_is_refused(label: str) -> None:
    refused(segment, display_name=label)


def test_a_long_name_needs_a_display_name() -> None:
    refused(segment, name="x" * 51)


@pytest.mark.parametrize("column", ["", "a\nb", None, True, 1.5, ["email"]])
def test_what_is_no_column_is_refused(column: object) -> None:
    refused(export, email=column)
