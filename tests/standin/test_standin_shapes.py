"""Bodies and values that Mailchimp doesn't take: a whole call, or one member."""

from typing import Any

import pytest

from tests.mailchimp_standin import AudienceHandle, MergeField
from tests.mailchimp_standin.caller import Caller

ANN: dict[str, Any] = {"email_address": "ann@mail.org", "status_if_new": "subscribed"}
ANY_OF = "Data did not match any of the schemas described in anyOf."


@pytest.mark.parametrize(
    ("member", "field"),
    [
        ({"email_address": 7, "status_if_new": "subscribed"}, "members.item:1.email_address"),
        ({"status_if_new": "subscribed"}, "members.item:1.email_address"),
        ({"email_address": "bob@mail.org"}, "members.item:1.status"),
        ({**ANN, "status": None}, "members.item:1.status"),
        ({**ANN, "status_if_new": "archived"}, "members.item:1.status_if_new"),
        ({**ANN, "merge_fields": []}, "members.item:1.merge_fields"),
        ({**ANN, "merge_fields": {"FNAME": True}}, "members.item:1.merge_fields"),
        ({**ANN, "merge_fields": {"FNAME": None}}, "members.item:1.merge_fields"),
        ({**ANN, "merge_fields": {"FNAME": "a\0b"}}, ""),
        ({**ANN, "tags": "loyal"}, "members.item:1.tags"),
        ({**ANN, "tags": [{"name": "loyal"}]}, "members.item:1.tags.item:0"),
        ({**ANN, "segment": "loyal"}, "members.item:1.segment"),
        ({**ANN, "vip": "yes"}, "members.item:1.vip"),
    ],
)
def test_one_bad_shape_refuses_the_whole_call(
    caller: Caller, audience: AudienceHandle, member: dict[str, Any], field: str
) -> None:
    answer = caller.batch({**ANN, "email_address": "eve@mail.org"}, member)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "errors"}
    assert (problem["title"], problem["status"], problem["detail"]) == ("Invalid Resource", 400, ANY_OF)
    assert problem["errors"][0]["field"] == field
    assert not audience.members()


def test_a_backslash_before_u0000_is_no_nul(caller: Caller, audience: AudienceHandle) -> None:
    assert caller.batch({**ANN, "merge_fields": {"FNAME": r"a\u0000"}}).status_code == 200
    assert audience.members()["ann@mail.org"].merge_fields == {"FNAME": r"a\u0000"}


def test_what_is_not_json_is_a_400(caller: Caller) -> None:
    for body in (b"", b"{", b"\xff", b'{"members": "\\ud800"}'):
        answer = caller.http.post(caller.list, content=body)
        assert (answer.status_code, answer.json()["title"]) == (400, "JSON Parse Error")


def test_more_than_500_members_are_refused(caller: Caller, audience: AudienceHandle) -> None:
    members = [{**ANN, "email_address": f"m{number}@mail.org"} for number in range(501)]
    assert caller.batch(*members).status_code == 400
    assert caller.batch(*members[:500]).json()["total_created"] == 500
    assert len(audience) == 500


def test_a_body_may_be_of_many_megabytes(caller: Caller) -> None:
    answer = caller.batch({**ANN, "merge_fields": {"FNAME": "x" * 10_000_000}})
    assert answer.json()["errors"][0]["field"] == "FNAME"


def test_query_parameters_that_no_specification_has_are_refused(caller: Caller) -> None:
    answer = caller.batch(ANN, query="?skip_everything=true")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "skip_everything")
    assert caller.batch(ANN, query="?skip_merge_validation=yes").status_code == 400


ADDRESS = {"addr1": "1 Main St", "city": "Riga", "state": "Riga", "zip": "1001", "country": "LV"}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["x" * 255, "é" * 127, 7, "שלום", ""], ["x" * 256, "é" * 128, {"a": "b"}]),
        ("number", [7, 7.5, "-3", ""], ["seven", "nan", {"a": "b"}]),
        ("date", ["2026-11-23", "11/23/2026", ""], ["23.11.2026", "2026-02-30", "13/40/2026", 20261123]),
        ("birthday", ["11/23", ""], ["11/32", "1/2", "2026-11-23", 11]),
        ("zip", ["01234", ""], ["1234", "012345", "LV-1001", 12345]),
        ("phone", ["+371 2000", ""], [{"a": "b"}]),
        ("url", ["https://mail.org/x?y=1", ""], ["mail.org", "ftp://mail.org", "https://"]),
        ("imageurl", ["http://mail.org/x.png", ""], ["x.png"]),
        ("dropdown", ["gold", ""], ["Gold", "lead", 1]),
        ("radio", ["iron"], ["rust"]),
        ("address", [ADDRESS, ""], ["1 Main St", {**ADDRESS, "city": ""}, {**ADDRESS, "planet": "Earth"}]),
    ],
)
def test_values_are_judged_by_the_type_of_their_field(
    caller: Caller, audience: AudienceHandle, kind: Any, good: list[Any], bad: list[Any]
) -> None:
    choices = ("gold", "iron") if kind in ("dropdown", "radio") else ()
    audience.add_merge_field(MergeField("FIELD", "Field", kind, choices=choices))
    for value in good:
        answer = caller.batch({**ANN, "merge_fields": {"FIELD": value}}).json()
        assert answer["error_count"] == 0, value
    for value in bad:
        answer = caller.batch({**ANN, "merge_fields": {"FIELD": value}}).json()
        assert [error["field"] for error in answer["errors"]] == ["FIELD"], value
        assert answer["errors"][0]["error"] == "Your merge fields were invalid."
        assert answer["errors"][0]["field_message"], value


def test_values_are_kept_in_the_type_of_their_field(caller: Caller, audience: AudienceHandle) -> None:
    audience.add_merge_field(MergeField("POINTS", type="number"))
    caller.batch({**ANN, "merge_fields": {"POINTS": "12", "FNAME": 7, "ADDRESS": ADDRESS}})
    kept = {"POINTS": 12, "FNAME": "7", "ADDRESS": ADDRESS}
    assert audience.members()["ann@mail.org"].merge_fields == kept


def test_many_texts_that_are_long_together_are_fine(caller: Caller, audience: AudienceHandle) -> None:
    fields = {"FNAME": "é" * 100, "LNAME": "y" * 200, "PHONE": "1" * 200}
    caller.batch({**ANN, "merge_fields": fields})
    assert audience.members()["ann@mail.org"].merge_fields == fields
