"""What a batch upsert does, status by status and dialect by dialect."""

from typing import Any

import pytest

from tests.mailchimp_standin import AudienceHandle, MemberView, MergeField
from tests.mailchimp_standin.caller import Caller

ANN = "ann@mail.org"
COMPLIANCE = "is in a compliance state due to unsubscribe, bounce, or compliance review"


def new(address: str = ANN, **more: Any) -> dict[str, Any]:
    return {"email_address": address, "status_if_new": "subscribed", **more}


def known(status: str, by: str = "") -> MemberView:
    return MemberView(ANN, status, {"FNAME": "Ann"}, unsubscribed_by=by)


def test_new_members_get_the_status_fields_and_tags_that_were_sent(
    caller: Caller, audience: AudienceHandle
) -> None:
    answer = caller.batch(new("Ann@Mail.org", merge_fields={"FNAME": "Ann"}, tags=["loyal", "eu"])).json()
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 0)
    assert answer["new_members"][0]["email_address"] == "Ann@Mail.org"
    assert answer["new_members"][0]["merge_fields"] == {
        "FNAME": "Ann",
        "LNAME": "",
        "ADDRESS": "",
        "PHONE": "",
    }
    assert [tag["name"] for tag in answer["new_members"][0]["tags"]] == ["eu", "loyal"]
    assert audience.members() == {
        ANN: MemberView("Ann@Mail.org", "subscribed", {"FNAME": "Ann"}, ("eu", "loyal"))
    }


def test_the_same_batch_again_updates_and_changes_nothing(caller: Caller, audience: AudienceHandle) -> None:
    caller.batch(new(merge_fields={"FNAME": "Ann"}, tags=["loyal"]))
    before = audience.digest()
    answer = caller.batch(new(merge_fields={"FNAME": "Ann"}, tags=["loyal"])).json()
    assert (answer["total_created"], answer["total_updated"]) == (0, 1)
    assert audience.digest() == before


def test_fields_and_tags_that_are_not_sent_stay(caller: Caller, audience: AudienceHandle) -> None:
    caller.batch(new(merge_fields={"FNAME": "Ann", "LNAME": "Lee"}, tags=["loyal"]))
    caller.batch(new(merge_fields={"LNAME": "Fox"}, tags=["eu"]))
    caller.batch(new(merge_fields={"FNAME": ""}))
    assert audience.member(ANN) == MemberView(ANN, "subscribed", {"LNAME": "Fox"}, ("eu", "loyal"))


def test_sync_tags_takes_all_other_tags_off(caller: Caller, audience: AudienceHandle) -> None:
    caller.batch(new(tags=["loyal", "other people's"]))
    caller.batch(new(tags=["loyal"]), sync_tags=True)
    assert audience.members()[ANN].tags == ("loyal",)


@pytest.mark.parametrize(
    ("view", "after", "answered"),
    [
        (known("subscribed"), "subscribed", "updated_members"),
        (known("unsubscribed", "self"), "unsubscribed", "updated_members"),
        (known("unsubscribed", "admin"), "unsubscribed", "updated_members"),
        (known("pending"), "pending", "updated_members"),
        (known("transactional"), "transactional", "updated_members"),
        (known("archived"), "subscribed", "new_members"),
        (known("cleaned"), "cleaned", "errors"),
    ],
)
def test_status_if_new_leaves_existing_members_alone_but_for_archived_ones(
    caller: Caller, audience: AudienceHandle, view: MemberView, after: str, answered: str
) -> None:
    audience.seed([view])
    answer = caller.batch(new(merge_fields={"FNAME": "Bea"})).json()
    assert len(answer[answered]) == 1
    found = audience.members()[ANN]
    assert found.status == after
    assert found.merge_fields == {"FNAME": "Ann" if answered == "errors" else "Bea"}
    assert audience.resubscribed == (view.status == "archived")


@pytest.mark.parametrize("dialect", ["newest", "classic"])
@pytest.mark.parametrize(
    ("view", "after"),
    [
        (known("unsubscribed", "admin"), "subscribed"),
        (known("pending"), "subscribed"),
        (known("transactional"), "subscribed"),
        (known("archived"), "subscribed"),
        (known("unsubscribed", "self"), "unsubscribed"),
        (known("cleaned"), "cleaned"),
    ],
)
def test_status_resubscribes_silently_whom_the_person_did_not_unsubscribe(
    caller: Caller, audience: AudienceHandle, dialect: Any, view: MemberView, after: str
) -> None:
    audience.configure(dialect=dialect)
    audience.seed([view])
    answer = caller.batch({"email_address": ANN, "status": "subscribed"}).json()
    assert audience.members()[ANN].status == after
    changed = after == "subscribed"
    assert audience.resubscribed == changed
    assert [(c.before, c.after, c.via) for c in audience.status_changes()] == [
        (view.status, "subscribed", "api")
    ] * changed
    assert answer["error_count"] == (not changed)
    if not changed:
        assert COMPLIANCE in answer["errors"][0]["error"]
        assert answer["errors"][0]["error_code"] == "ERROR_GENERIC"


def test_an_unsubscription_by_the_api_counts_as_an_administrators(
    caller: Caller, audience: AudienceHandle
) -> None:
    caller.batch(new(), {"email_address": "bob@mail.org", "status": "unsubscribed"})
    caller.batch({"email_address": ANN, "status": "unsubscribed"})
    assert {view.unsubscribed_by for view in audience.members().values()} == {"admin"}
    assert caller.batch({"email_address": ANN, "status": "subscribed"}).json()["total_updated"] == 1


def test_existing_members_are_refused_unless_updating_is_asked_for(
    caller: Caller, audience: AudienceHandle
) -> None:
    audience.seed([known("subscribed"), MemberView("old@mail.org", "archived")])
    answer = caller.batch(new(), new("old@mail.org"), update_existing=False).json()
    assert [error["error_code"] for error in answer["errors"]] == ["ERROR_CONTACT_EXISTS"]
    assert answer["errors"][0]["email_address"] == ANN
    assert "please provide update_existing:true" in answer["errors"][0]["error"]
    assert answer["total_created"] == 1, "archived ones count as new"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nobody", "Please provide a valid email address."),
        ("two@@mail.org", "Please provide a valid email address."),
        ("a..b@mail.org", "Please provide a valid email address."),
        ("josé@mail.org", "Please provide a valid email address."),
        ("ann@mail", "Please provide a valid email address."),
        ("a" * 250 + "@mail.org", "Please provide a valid email address."),
        ("ann@example.com", "looks fake or invalid"),
        ("Test@mail.org", "looks fake or invalid"),
        ("gone@mail.org", "was permanently deleted and cannot be re-imported"),
        ("hasty@mail.org", "has signed up to a lot of lists very recently"),
    ],
)
def test_addresses_are_refused_one_by_one(
    caller: Caller, audience: AudienceHandle, address: str, reason: str
) -> None:
    audience.delete_permanently("gone@mail.org")
    audience.refuse_velocity(["hasty@mail.org"])
    answer = caller.batch(new(address), new("bob@mail.org")).json()
    assert (answer["total_created"], answer["error_count"]) == (1, 1)
    assert answer["errors"][0]["email_address"] == address
    assert reason in answer["errors"][0]["error"]


def test_good_addresses_are_taken(caller: Caller) -> None:
    fine = ["o'neil+x@sub.mail.org", "A.B@Mail.ORG", "ann@münchen.de", " spaced@mail.org ", "x_1-y@a-b.co.uk"]
    assert caller.batch(*map(new, fine)).json()["total_created"] == len(fine)


def test_an_address_twice_in_a_call_is_an_error_unless_that_check_is_skipped(
    caller: Caller, audience: AudienceHandle
) -> None:
    twice = (new(merge_fields={"FNAME": "First"}), new("ANN@mail.org", merge_fields={"FNAME": "Second"}))
    answer = caller.batch(*twice).json()
    assert (answer["total_created"], answer["error_count"]) == (1, 1)
    answer = caller.batch(*twice, query="?skip_duplicate_check=true").json()
    assert (answer["total_updated"], answer["error_count"]) == (1, 0)
    assert audience.members()[ANN].merge_fields == {"FNAME": "First"}


def test_required_fields_are_wanted_unless_that_check_is_skipped(
    caller: Caller, audience: AudienceHandle
) -> None:
    audience.add_merge_field(MergeField("PLAN", "Plan", required=True))
    answer = caller.batch(new(), new("bob@mail.org", merge_fields={"PLAN": ""})).json()
    assert [(e["field"], e["field_message"]) for e in answer["errors"]] == [
        ("PLAN", "Please enter a value")
    ] * 2
    assert caller.batch(new(), query="?skip_merge_validation=true").json()["total_created"] == 1
    caller.batch(new(merge_fields={"PLAN": "gold"}))
    assert caller.batch(new(merge_fields={"FNAME": "Ann"})).json()["error_count"] == 0, "the member has it"


def test_a_field_that_the_audience_lacks_is_refused_or_ignored(
    caller: Caller, audience: AudienceHandle
) -> None:
    answer = caller.batch(new(merge_fields={"NOPE": "x"})).json()
    assert (answer["errors"][0]["field"], answer["errors"][0]["error_code"]) == ("NOPE", "ERROR_GENERIC")
    audience.configure(ignore_unknown_fields=True)
    caller.batch(new(merge_fields={"NOPE": "x", "FNAME": "Ann"}))
    assert audience.members()[ANN].merge_fields == {"FNAME": "Ann"}


def test_a_deleted_field_takes_its_values_along(caller: Caller, audience: AudienceHandle) -> None:
    caller.batch(new(merge_fields={"FNAME": "Ann", "LNAME": "Lee"}))
    audience.delete_merge_field("FNAME")
    audience.add_merge_field(MergeField("FNAME"))
    assert audience.members()[ANN].merge_fields == {"LNAME": "Lee"}
    caller.batch(new(merge_fields={"FNAME": "Bea"}))
    assert audience.members()[ANN].merge_fields == {"FNAME": "Bea", "LNAME": "Lee"}


def test_the_classic_dialect_wants_a_status_and_ignores_tags(
    caller: Caller, audience: AudienceHandle
) -> None:
    audience.configure(dialect="classic")
    sent = {"email_address": ANN, "status": "subscribed", "status_if_new": "pending", "tags": ["loyal"]}
    answer = caller.batch(sent, new("bob@mail.org"))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "members.item:1.status"
    assert not audience.members()
    assert caller.batch(sent).json()["total_created"] == 1
    assert audience.members()[ANN] == MemberView(ANN, "subscribed")


def test_brief_answers_hold_what_sorting_needs(standin_brief: Caller) -> None:
    answer = standin_brief.batch(new()).json()
    digest = standin_brief.member(ANN).rpartition("/")[2]
    assert answer["new_members"] == [{"id": digest, "email_address": ANN, "status": "subscribed"}]
