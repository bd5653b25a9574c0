"""Tags, which are static segments."""

import logging
from typing import Any

import pytest

from tests.mailchimp_standin import AudienceHandle, MemberView, Standin
from tests.mailchimp_standin.caller import Caller

ANN, BOB, EVE = "ann@mail.org", "bob@mail.org", "eve@mail.org"


@pytest.fixture
def segment(caller: Caller, audience: AudienceHandle) -> str:
    """The path of the tag "loyal", which is on Ann; Bob and Eve are members, Eve unsubscribed."""
    audience.seed(
        [MemberView(ANN, "subscribed"), MemberView(BOB, "subscribed"), MemberView(EVE, "unsubscribed")]
    )
    body = {"name": "loyal", "static_segment": [ANN, "nobody@mail.org"]}
    made = caller.http.post(f"{caller.list}/segments", json=body).json()
    assert (made["name"], made["member_count"], made["type"]) == ("loyal", 1, "static")
    return f"{caller.list}/segments/{made['id']}"


def tagged(audience: AudienceHandle, tag: str = "loyal") -> set[str]:
    return {address for address, view in audience.members().items() if tag in view.tags}


def test_members_join_and_leave_in_bulk(caller: Caller, audience: AudienceHandle, segment: str) -> None:
    body = {"members_to_add": ["BOB@mail.org", EVE, ANN], "members_to_remove": [ANN, "nobody@mail.org"]}
    answer = caller.http.post(segment, json=body).json()
    assert (answer["total_added"], answer["total_removed"], answer["error_count"]) == (2, 1, 1)
    assert answer["errors"][0]["email_addresses"] == ["nobody@mail.org"]
    assert tagged(audience) == {BOB, EVE}
    many = [f"m{number}@mail.org" for number in range(501)]
    assert caller.http.post(segment, json={"members_to_add": many}).status_code == 400
    assert caller.http.post(segment, json={"members": many}).status_code == 400


def test_only_active_members_count_and_show_unless_others_are_asked_for(caller: Caller, segment: str) -> None:
    caller.http.post(segment, json={"members_to_add": [EVE]})
    assert caller.http.get(segment).json()["member_count"] == 1
    assert caller.http.get(segment + "/members").json()["total_items"] == 1
    everybody = caller.http.get(segment + "/members", params={"include_unsubscribed": "true"}).json()
    assert [member["email_address"] for member in everybody["members"]] == [ANN, EVE]


def test_renaming_keeps_who_is_in_it(caller: Caller, audience: AudienceHandle, segment: str) -> None:
    assert caller.http.patch(segment, json={"name": "very loyal"}).json()["name"] == "very loyal"
    assert tagged(audience, "very loyal") == {ANN}
    caller.http.post(f"{caller.list}/segments", json={"name": "loyal", "static_segment": []})
    assert caller.http.patch(segment, json={"name": "loyal"}).status_code == 400, "the name is taken"


def test_an_empty_static_segment_empties_the_tag_and_is_told_loudly(
    standin: Standin, caller: Caller, audience: AudienceHandle, segment: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="mailchimp_standin"):
        caller.http.patch(segment, json={"name": "loyal", "static_segment": []})
    assert tagged(audience) == set()
    assert audience.tags() == {"loyal": 0}
    assert "empty static_segment emptied tag" in standin.statistics().warnings[0]
    assert standin.statistics().warnings[0] in caplog.text


def test_a_deleted_tag_is_on_nobody_even_if_its_name_comes_back(
    caller: Caller, audience: AudienceHandle, segment: str
) -> None:
    assert caller.http.delete(segment).status_code == 204
    assert caller.http.get(segment).status_code == 404
    assert tagged(audience) == set()
    caller.batch({"email_address": BOB, "status_if_new": "subscribed", "tags": ["loyal"]})
    assert tagged(audience) == {BOB}
    audience.delete_tag("loyal")
    assert audience.tags() == {}


def test_tags_are_found_by_prefix_and_listed(caller: Caller, segment: str) -> None:
    caller.batch({"email_address": BOB, "status_if_new": "subscribed", "tags": ["Loyal customers", "eu"]})

    def names(found: Any) -> list[str]:
        return [tag["name"] for tag in found]

    assert names(caller.get("/tag-search", name="loyal")["tags"]) == ["loyal", "Loyal customers"]
    assert caller.get("/tag-search")["total_items"] == 3
    listed = caller.get("/segments", type="static", count=2)
    assert (names(listed["segments"]), listed["total_items"]) == (["loyal", "Loyal customers"], 3)
    assert caller.get("/segments", type="saved")["total_items"] == 0
    assert caller.http.get(segment, params={"fields": "name"}).json() == {"name": "loyal"}


def test_one_members_tags_are_switched_on_and_off(
    caller: Caller, audience: AudienceHandle, segment: str
) -> None:
    changes = [{"name": "loyal", "status": "inactive"}, {"name": "new one", "status": "active"}]
    body = {"tags": changes, "is_syncing": True}
    assert caller.http.post(caller.member(ANN) + "/tags", json=body).status_code == 204
    assert audience.tags() == {"loyal": 0, "new one": 1}
    shown = caller.http.get(caller.member(ANN) + "/tags").json()
    assert ([tag["name"] for tag in shown["tags"]], shown["total_items"]) == (["new one"], 1)
    assert caller.http.post(caller.member("nobody@mail.org") + "/tags", json=body).status_code == 404
    assert segment.startswith(caller.list)
