"""Single members, and pages of them."""

from datetime import UTC, datetime

import pytest

from tests.mailchimp_standin import AudienceHandle, MemberView, MergeField, Standin
from tests.mailchimp_standin.caller import Caller

ANN, BOB = "ann@mail.org", "bob@mail.org"
EVERYBODY = [
    MemberView(f"{status}@mail.org", status)
    for status in ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
]


def test_a_member_is_found_by_hash_and_by_address(caller: Caller, audience: AudienceHandle) -> None:
    audience.seed([MemberView("Ann@Mail.org", "subscribed", {"FNAME": "Ann", "LNAME": "Lee"}, ("eu",))])
    by_hash = caller.http.get(caller.member(ANN)).json()
    assert by_hash == caller.get("/members/ANN@mail.org")
    assert by_hash["id"] == caller.member(ANN).rpartition("/")[2]
    assert (by_hash["full_name"], by_hash["status"], by_hash["tags_count"]) == ("Ann Lee", "subscribed", 1)
    assert by_hash["merge_fields"] == {"FNAME": "Ann", "LNAME": "Lee", "ADDRESS": "", "PHONE": ""}
    assert caller.http.get(caller.member(BOB)).status_code == 404
    assert caller.http.get(f"{caller.list}/members/nonsense").status_code == 404
    audience.seed([MemberView(BOB, "subscribed")])
    assert caller.http.get(caller.member(BOB)).status_code == 200


def test_fields_narrow_an_answer(caller: Caller, audience: AudienceHandle) -> None:
    audience.seed([MemberView(ANN, "subscribed", {"FNAME": "Ann"})])
    page = caller.get("/members", fields="members.email_address,members.merge_fields.FNAME,total_items")
    assert page == {"members": [{"email_address": ANN, "merge_fields": {"FNAME": "Ann"}}], "total_items": 1}
    page = caller.get("/members", exclude_fields="members.merge_fields.PHONE,members.stats,list_id")
    assert page.keys() == {"members", "total_items"}
    assert page["members"][0]["merge_fields"] == {"FNAME": "Ann", "LNAME": "", "ADDRESS": ""}
    assert "stats" not in page["members"][0]
    assert caller.get(f"/members/{ANN}", fields="status") == {"status": "subscribed"}


def test_pages_are_cut_by_count_and_offset(caller: Caller, audience: AudienceHandle) -> None:
    audience.seed(MemberView(f"m{number:04}@mail.org", "subscribed") for number in range(1500))
    first = caller.get("/members", count=1000, fields="members.email_address,total_items")
    second = caller.get("/members", count=1000, offset=1000, fields="members.email_address,total_items")
    addresses = [member["email_address"] for page in (first, second) for member in page["members"]]
    assert addresses == [f"m{number:04}@mail.org" for number in range(1500)]
    assert first["total_items"] == second["total_items"] == 1500
    assert len(caller.get("/members")["members"]) == 10
    assert caller.http.get(f"{caller.list}/members", params={"count": 1001}).status_code == 400


def test_pages_can_be_of_one_status_and_archived_ones_want_to_be_asked_for(
    caller: Caller, audience: AudienceHandle
) -> None:
    audience.seed(EVERYBODY)
    for view in EVERYBODY:
        page = caller.get("/members", status=view.status)
        assert [member["email_address"] for member in page["members"]] == [view.email_address]
    assert caller.get("/members")["total_items"] == 5
    assert caller.http.get(f"{caller.list}/members", params={"status": "fine"}).status_code == 400


def test_since_last_changed_is_exclusive_and_in_whole_seconds(
    standin: Standin, caller: Caller, audience: AudienceHandle
) -> None:
    audience.seed([MemberView(ANN, "subscribed")])
    standin.set_clock_offset(10)
    audience.seed([MemberView(BOB, "subscribed")])
    changed = {m["email_address"]: m["last_changed"] for m in caller.get("/members")["members"]}
    assert datetime.fromisoformat(changed[ANN]).tzinfo == UTC
    since = caller.get("/members", since_last_changed=changed[ANN])["members"]
    assert [member["email_address"] for member in since] == [BOB]
    assert caller.get("/members", since_last_changed=changed[BOB])["total_items"] == 0
    before = caller.get("/members", before_last_changed=changed[BOB])["members"]
    assert [member["email_address"] for member in before] == [ANN]
    gone = {"unsubscribed_since": changed[ANN]}
    assert caller.http.get(f"{caller.list}/members", params=gone).status_code == 400
    audience.unsubscribe(BOB)
    assert caller.get("/members", status="unsubscribed", **gone)["total_items"] == 1


def test_put_adds_and_updates_and_tags_only_whom_it_adds(caller: Caller, audience: AudienceHandle) -> None:
    body = {
        "email_address": ANN,
        "status_if_new": "subscribed",
        "tags": ["eu"],
        "merge_fields": {"FNAME": "Ann"},
    }
    assert caller.http.put(caller.member(ANN), json=body).json()["status"] == "subscribed"
    body |= {"status_if_new": "pending", "tags": ["us"], "merge_fields": {"LNAME": "Lee"}}
    assert caller.http.put(caller.member(ANN), json=body).status_code == 200
    assert audience.members() == {
        ANN: MemberView(ANN, "subscribed", {"FNAME": "Ann", "LNAME": "Lee"}, ("eu",)),
    }
    assert caller.http.put(caller.member(BOB), json=body).status_code == 400, "another address' hash"
    assert caller.http.put(caller.member(BOB), json={"email_address": BOB}).status_code == 400, "no status"


def test_refusals_of_a_single_member_are_problems(caller: Caller, audience: AudienceHandle) -> None:
    audience.add_merge_field(MergeField("POINTS", type="number"))
    audience.seed([MemberView(ANN, "unsubscribed", unsubscribed_by="self")])
    body = {"email_address": ANN, "status": "subscribed"}
    for method in ("PUT", "PATCH"):
        answer = caller.http.request(method, caller.member(ANN), json=body)
        assert (answer.status_code, answer.json()["title"]) == (400, "Member In Compliance State")
    answer = caller.http.patch(caller.member(ANN), json={"merge_fields": {"POINTS": "many"}})
    assert answer.json()["errors"] == [{"field": "POINTS", "message": "Please enter a number"}]
    answer = caller.http.put(caller.member("x@example.com"), json={**body, "email_address": "x@example.com"})
    assert "looks fake or invalid" in answer.json()["detail"]


def test_post_adds_new_members_only(caller: Caller, audience: AudienceHandle) -> None:
    path, body = f"{caller.list}/members", {"email_address": ANN, "status": "pending", "tags": ["eu"]}
    assert caller.http.post(path, json=body).json()["status"] == "pending"
    again = caller.http.post(path, json=body)
    assert (again.status_code, again.json()["title"]) == (400, "Member Exists")
    assert caller.http.post(path, json={"email_address": BOB}).status_code == 400
    assert audience.tags() == {"eu": 1}


def test_patch_changes_a_status_and_moves_to_a_free_address(caller: Caller, audience: AudienceHandle) -> None:
    audience.seed([MemberView(ANN, "unsubscribed", {"FNAME": "Ann"}, ("eu",)), MemberView(BOB, "subscribed")])
    caller.http.patch(caller.member(ANN), json={"status": "subscribed"})
    assert audience.resubscribed == 1
    taken = caller.http.patch(caller.member(ANN), json={"email_address": BOB})
    assert 'is already in this list with a status of "Subscribed".' in taken.json()["detail"]
    moved = caller.http.patch(caller.member(ANN), json={"email_address": "Eve@mail.org"})
    assert moved.json()["email_address"] == "Eve@mail.org"
    assert audience.members().keys() == {BOB, "eve@mail.org"}
    assert audience.members()["eve@mail.org"].tags == ("eu",)
    assert caller.http.get(caller.member(ANN)).status_code == 404
    assert caller.http.patch(caller.member(ANN), json={}).status_code == 404
    assert caller.http.patch(caller.member(BOB), json={"tags": ["eu"]}).status_code == 400


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        ("subscribed", 204),
        ("unsubscribed", 204),
        ("transactional", 204),
        ("cleaned", 405),
        ("pending", 405),
        ("archived", 405),
    ],
)
def test_delete_archives_who_can_be_archived(
    caller: Caller, audience: AudienceHandle, status: str, answered: int
) -> None:
    audience.seed([MemberView(ANN, status, {"FNAME": "Ann"})])
    assert caller.http.delete(caller.member(ANN)).status_code == answered
    assert audience.members()[ANN].status == ("archived" if answered == 204 else status)
    assert audience.members()[ANN].merge_fields == {"FNAME": "Ann"}


def test_permanently_deleted_ones_can_not_come_back(caller: Caller, audience: AudienceHandle) -> None:
    audience.seed([MemberView(ANN, "subscribed")])
    assert caller.http.post(caller.member(ANN) + "/actions/delete-permanent").status_code == 204
    assert len(audience) == 0
    answer = caller.batch({"email_address": ANN, "status": "subscribed"}).json()
    assert "was permanently deleted and cannot be re-imported" in answer["errors"][0]["error"]


def test_merge_fields_are_listed_and_made(caller: Caller) -> None:
    listed = caller.get("/merge-fields", count=100)
    assert [field["tag"] for field in listed["merge_fields"]] == ["FNAME", "LNAME", "ADDRESS", "PHONE"]
    assert (listed["total_items"], listed["merge_field_limit"]) == (4, 30)
    assert [field["tag"] for field in caller.get("/merge-fields", offset=3)["merge_fields"]] == ["PHONE"]
    path, wanted = f"{caller.list}/merge-fields", {"name": "Plan", "type": "dropdown", "tag": "PLAN"}
    assert caller.http.post(path, json=wanted).status_code == 400, "choices are missing"
    made = caller.http.post(path, json={**wanted, "options": {"choices": ["a", "b"]}}).json()
    assert (made["merge_id"], made["options"]["choices"]) == (5, ["a", "b"])
    assert caller.http.post(path, json={"name": "Plan", "type": "text", "tag": "PLAN"}).status_code == 400
    assert caller.http.post(path, json={"name": "Plan", "type": "text", "tag": "lower"}).status_code == 400
    assert caller.http.post(path, json={"name": "Plan", "type": "text"}).json()["tag"] == "MMERGE6"
    for number in range(7, 31):
        assert caller.http.post(path, json={"name": str(number), "type": "text"}).status_code == 200
    assert caller.http.post(path, json={"name": "31", "type": "text"}).status_code == 400
