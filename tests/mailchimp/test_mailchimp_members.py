"""Members one by one: nobody is taken for unknown because a look-up failed."""

import pytest

from tests.mailchimp.scripted import AUDIENCE, LIST, Script, problem
from tests.mailchimp_standin import AudienceHandle, DeleteAudience, MemberView, Standin
from worker.errors import ChunkRefused, SegmentExportError, StopRun, Throttled, Unavailable
from worker.exports.membership import MemberState
from worker.mailchimp.client import MailchimpClient

ANN, BOB = "ann@mail.org", "bob@mail.org"
HASH = "2e1e8ff1564c3116c02f63ecdfd7edb3"
PATH = f"/lists/{LIST}/members/{HASH}"
SHOWN = {
    "email_address": "Ann@Mail.org",
    "status": "pending",
    "tags_count": 2,
    "tags": [{"id": 1, "name": "eu"}, {"id": 2, "name": "loyal customers"}],
    "merge_fields": {"FNAME": "Ann", "AGE": 5, "ADDRESS": {"addr1": "1 Road"}},
}
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")


def answered(document: dict[str, object]) -> MemberState | None:
    return Script((200, document)).client.member(LIST, ANN)


# --- looking a member up --------------------------------------------------------------------------


@pytest.mark.parametrize("address", [ANN, "ANN@mail.org", " Ann@Mail.ORG\t"])
def test_a_member_is_asked_for_by_the_hash_of_the_address_in_lower_case(address: str) -> None:
    script = Script((200, SHOWN))
    assert script.client.member(LIST, address) == MemberState(
        email="Ann@Mail.org",
        status="pending",
        tags=("eu", "loyal customers"),
        merge_fields={"FNAME": "Ann", "AGE": 5, "ADDRESS": {"addr1": "1 Road"}},
    )
    assert script.asked == [
        f"GET {PATH}?fields=email_address,status,tags_count,tags,merge_fields,last_changed"
    ]


def test_a_member_may_have_no_tags_and_no_merge_fields() -> None:
    bare: dict[str, object] = {"email_address": ANN, "status": "cleaned"}
    assert answered(bare) == MemberState(ANN, "cleaned", (), {})
    assert answered({**bare, "tags": None, "merge_fields": None}) == MemberState(ANN, "cleaned", (), {})
    assert answered({**bare, "tags": [], "merge_fields": []}) == MemberState(ANN, "cleaned", (), {})


def test_more_tags_than_a_members_document_shows_are_read_page_by_page() -> None:
    names = [f"tag {number}" for number in range(53)]
    pages = [
        [{"id": number, "name": names[number]} for number in part] for part in (range(50), range(50, 53))
    ]
    script = Script(
        (200, {**SHOWN, "tags_count": 53, "tags": pages[0]}),
        (200, {"tags": pages[0], "total_items": 53}),
        (200, {"tags": pages[1], "total_items": 53}),
    )
    state = script.client.member(LIST, ANN)
    assert state is not None
    assert list(state.tags) == names
    assert script.asked[1:] == [f"GET {PATH}/tags?count=1000&offset={offset}" for offset in (0, 50)]


def test_a_member_never_shows_who_they_are() -> None:
    assert repr(MemberState(ANN, "subscribed", ("eu",), {"FNAME": "Ann"})) == (
        "MemberState(status='subscribed', tags=1)"
    )


def test_an_unknown_member_of_an_audience_that_is_there_is_none() -> None:
    script = Script((404, problem()), (200, AUDIENCE))
    assert script.client.member(LIST, ANN) is None
    assert script.asked[1:] == [f"GET /lists/{LIST}"]


def test_an_unknown_member_of_an_audience_that_is_gone_stops_the_run() -> None:
    with pytest.raises(StopRun, match=f"^Mailchimp has no audience {LIST} in this connection's account"):
        Script((404, problem()), (404, problem())).client.member(LIST, ANN)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (404, b"<html>Not Found</html>"),
        (404, b"{}"),
        (400, problem("Bad Request")),
        (401, problem("API Key Invalid")),
        (403, b""),
        (403, problem("Forbidden")),
        (405, problem("Method Not Allowed")),
        (410, problem("Gone")),
        (429, b""),
        (500, problem("Internal Server Error")),
        (503, problem("ComplianceRelated")),
        (200, b"<html>"),
        (200, b"{}"),
        (200, {"email_address": ANN}),
        (200, {"status": "subscribed"}),
        (204, b""),
    ],
)
def test_a_look_up_that_fails_is_never_taken_for_an_unknown_member(status: int, body: object) -> None:
    with pytest.raises(SegmentExportError) as caught:
        Script((status, body)).client.member(LIST, ANN)
    assert ANN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (403, b"", Throttled),
        (429, b"", Throttled),
        (500, b"", Unavailable),
        (200, b"<html>", Unavailable),
        (401, problem("API Key Invalid"), StopRun),
    ],
)
def test_nobody_is_unknown_while_it_is_not_clear_whether_the_audience_is_there(
    status: int, body: object, fate: type[SegmentExportError]
) -> None:
    with pytest.raises(fate):
        Script((404, problem()), (status, body)).client.member(LIST, ANN)


def test_a_404_without_a_document_tells_what_may_be_missing() -> None:
    with pytest.raises(StopRun) as caught:
        Script((404, b"")).client.member(LIST, ANN)
    assert str(caught.value) == (
        f"Mailchimp has no such member in audience {LIST}, or no such audience (404): "
        "run the export again, and check audience_id if this comes back."
    )


@pytest.mark.parametrize("status", STATUSES)
def test_a_member_of_any_status_is_found(
    client: MailchimpClient, audience: AudienceHandle, status: str
) -> None:
    audience.seed([MemberView("Ann@mail.org", status, {"FNAME": "Ann"}, ("eu", "loyal"))])
    state = client.member(audience.id, ANN)
    assert state is not None
    assert (state.email, state.status, state.tags) == ("Ann@mail.org", status, ("eu", "loyal"))
    assert state.merge_fields["FNAME"] == "Ann"
    assert client.member(audience.id, BOB) is None


def test_an_audience_that_vanishes_does_not_make_its_members_unknown(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    audience.seed([MemberView(ANN, "unsubscribed")])
    standin.add_fault(DeleteAudience(), path="/members/", times=1)
    with pytest.raises(StopRun, match="has no audience"):
        client.member(audience.id, ANN)


# --- a new address --------------------------------------------------------------------------------


def test_a_new_address_is_all_that_is_sent_of_a_member_who_moves() -> None:
    script = Script((200, {**SHOWN, "email_address": BOB}))
    assert script.client.update_member(LIST, "ANN@mail.org", BOB)
    assert (script.asked, script.bodies) == ([f"PATCH {PATH}"], [{"email_address": BOB}])


def test_who_keeps_the_old_address_has_not_moved() -> None:
    assert not Script((200, SHOWN)).client.update_member(LIST, ANN, BOB)


def test_an_answer_that_is_none_is_no_move() -> None:
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer about a member is not the JSON it should be"):
        Script((200, b"<html>")).client.update_member(LIST, ANN, BOB)


@pytest.mark.parametrize(
    ("title", "detail"),
    [
        ("Member Exists", f'{BOB} is already in this list with a status of "Subscribed".'),
        ("Member In Compliance State", f"{ANN} is in a compliance state."),
        ("Invalid Resource", f"{BOB} looks fake or invalid, please enter a real email address."),
        ("Invalid Resource", "status is required"),
    ],
)
def test_a_new_address_that_is_not_to_be_had_is_refused(title: str, detail: str) -> None:
    with pytest.raises(ChunkRefused) as caught:
        Script((400, problem(title, detail))).client.update_member(LIST, ANN, BOB)
    assert caught.value.code == title
    assert "@" not in str(caught.value)


def test_members_move_to_free_addresses_only(client: MailchimpClient, audience: AudienceHandle) -> None:
    audience.seed([MemberView(ANN, "unsubscribed", {"FNAME": "Ann"}, ("eu",)), MemberView(BOB, "subscribed")])
    with pytest.raises(ChunkRefused) as caught:
        client.update_member(audience.id, ANN, BOB)
    assert caught.value.code == "Member Exists"
    with pytest.raises(ChunkRefused, match="looks fake"):
        client.update_member(audience.id, ANN, "test@mail.org")
    assert client.update_member(audience.id, ANN, "eve@mail.org")
    assert audience.member("eve@mail.org") == MemberView(
        "eve@mail.org", "unsubscribed", {"FNAME": "Ann"}, ("eu",), "admin"
    )
    assert not client.update_member(audience.id, ANN, "eve@mail.org"), "they are gone from there"
    assert audience.status_changes() == []


# --- archiving ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_out", "becomes"),
    [
        ("subscribed", True, "archived"),
        ("unsubscribed", True, "archived"),
        ("transactional", True, "archived"),
        ("archived", True, "archived"),
        ("cleaned", True, "cleaned"),
        ("pending", False, "pending"),
    ],
)
def test_who_can_be_archived_is_and_who_is_out_of_reach_counts_as_done(
    client: MailchimpClient,
    audience: AudienceHandle,
    status: str,
    is_out: bool,  # noqa: FBT001  # a column of the table
    becomes: str,
) -> None:
    audience.seed([MemberView(ANN, status)])
    assert client.archive_member(audience.id, "Ann@mail.org") == is_out
    kept = audience.member(ANN)
    assert kept is not None
    assert kept.status == becomes


def test_who_is_unknown_is_out_of_reach(client: MailchimpClient, audience: AudienceHandle) -> None:
    assert client.archive_member(audience.id, ANN)
    audience.delete()
    with pytest.raises(StopRun, match="has no audience"):
        client.archive_member(audience.id, ANN)


def test_who_vanishes_while_being_archived_is_out_of_reach() -> None:
    refused = (405, problem("Method Not Allowed"))
    assert Script(refused, (404, problem()), (200, AUDIENCE)).client.archive_member(LIST, ANN)


def test_a_call_that_is_not_to_be_had_at_all_is_no_archiving() -> None:
    script = Script((405, b""), (200, {**SHOWN, "status": "subscribed"}))
    with pytest.raises(StopRun, match=r"^Mailchimp does not know this kind of call \(405\)"):
        script.client.archive_member(LIST, ANN)


@pytest.mark.parametrize(("status", "fate"), [(404, StopRun), (403, Throttled), (500, Unavailable)])
def test_an_archiving_that_fails_is_told(status: int, fate: type[SegmentExportError]) -> None:
    with pytest.raises(fate):
        Script((status, b"")).client.archive_member(LIST, ANN)
