"""Tags are static segments: found by their exact name, never emptied by accident."""

import pytest

from tests.mailchimp.scripted import LIST, Script, problem
from tests.mailchimp_standin import AudienceHandle, MemberView, Refuse, Reset, Standin
from worker.errors import ChunkRefused, SegmentExportError, StopRun, Throttled, Unavailable
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.tags import TagAnswer, TagError

ANN, BOB, EVE = "ann@mail.org", "bob@mail.org", "eve@mail.org"
SEGMENTS = f"/lists/{LIST}/segments"


def _tags(*names: str) -> list[dict[str, object]]:
    return [{"id": 100 + number, "name": name} for number, name in enumerate(names)]


def tagged(audience: AudienceHandle, tag: str) -> set[str]:
    return {address for address, view in audience.members().items() if tag in view.tags}


# --- finding --------------------------------------------------------------------------------------


def test_a_tag_is_found_by_its_exact_name_among_all_that_begin_so() -> None:
    found = {"tags": _tags("Loyal", "loyal customers", "loyal"), "total_items": 3}
    script = Script((200, found), (200, found))
    assert script.client.find_tag(LIST, "loyal") == 102
    assert script.client.find_tag(LIST, "loy") is None
    assert script.asked == [
        f"GET /lists/{LIST}/tag-search?name=loyal",
        f"GET /lists/{LIST}/tag-search?name=loy",
    ]


@pytest.mark.parametrize("name", ["50 % & more?", "a+b/c#d", "größer", "=1"])
def test_any_name_can_be_asked_for(client: MailchimpClient, audience: AudienceHandle, name: str) -> None:
    made = client.create_tag(audience.id, name)
    assert client.find_tag(audience.id, name) == made
    assert audience.tags() == {name: 0}


def test_a_search_that_keeps_some_back_is_made_good_by_the_list_of_tags() -> None:
    search = (200, {"tags": _tags("a 1", "a 2"), "total_items": 4})
    pages = [(200, {"segments": _tags(*names), "total_items": 4}) for names in (["a 1", "a 2"], ["a 3", "a"])]
    script = Script(search, *pages)
    assert script.client.find_tag(LIST, "a") == 101
    assert script.asked[1:] == [
        f"GET {SEGMENTS}?type=static&fields=segments.id,segments.name,total_items&count=1000&offset={offset}"
        for offset in (0, 2)
    ]
    again = Script(search, *pages)
    assert again.client.find_tag(LIST, "a 2") == 101
    assert not again.is_over, "what the search shows needs no list"


def test_a_search_that_finds_nothing_may_leave_out_the_total() -> None:
    assert Script((200, {"tags": []})).client.find_tag(LIST, "loyal") is None


@pytest.mark.parametrize(
    ("status", "body"), [(404, problem()), (403, b""), (500, b""), (200, b"<html>"), (200, {})]
)
def test_a_search_that_fails_is_never_taken_for_an_unknown_tag(status: int, body: object) -> None:
    with pytest.raises(SegmentExportError):
        Script((status, body)).client.find_tag(LIST, "loyal")


# --- making and renaming --------------------------------------------------------------------------


def test_a_new_tag_is_a_static_segment_of_nobody() -> None:
    script = Script((200, {"id": 49, "name": "loyal", "type": "static", "member_count": 0}))
    assert script.client.create_tag(LIST, "loyal") == 49
    assert (script.asked, script.bodies) == ([f"POST {SEGMENTS}"], [{"name": "loyal", "static_segment": []}])


def test_a_tag_that_is_there_already_is_given_as_it_is(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    standin.add_fault(Reset(applied=True), method="POST", times=1)
    with pytest.raises(Unavailable):
        client.create_tag(audience.id, "loyal")
    made = client.create_tag(audience.id, "loyal")
    assert made == client.find_tag(audience.id, "loyal")
    assert audience.tags() == {"loyal": 0}


def test_a_tag_that_can_not_be_made_stops_the_run() -> None:
    refused = (400, problem("Invalid Resource", f"{ANN} is no good name."))
    script = Script(refused, (200, {"tags": []}))
    with pytest.raises(StopRun) as caught:
        script.client.create_tag(LIST, "x" * 200)
    assert str(caught.value) == (
        f"Mailchimp refused a tag for audience {LIST} (400 Invalid Resource: (an address) is no good name): "
        "correct it in the export."
    )


@pytest.mark.parametrize(
    ("status", "fate"), [(404, StopRun), (403, Throttled), (500, Unavailable), (200, Unavailable)]
)
def test_a_tag_whose_making_fails_has_no_id(status: int, fate: type[SegmentExportError]) -> None:
    with pytest.raises(fate):
        Script((status, b"{}")).client.create_tag(LIST, "loyal")


def test_renaming_sends_the_name_and_nothing_that_could_empty_the_tag() -> None:
    script = Script((200, {"id": 49, "name": "very loyal"}))
    script.client.rename_tag(LIST, 49, "very loyal")
    assert (script.asked, script.bodies) == ([f"PATCH {SEGMENTS}/49"], [{"name": "very loyal"}])


def test_whoever_has_a_renamed_tag_keeps_it(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    audience.seed(
        [MemberView(ANN, "subscribed", tags=("loyal",)), MemberView(BOB, "subscribed", tags=("eu",))]
    )
    tag = client.find_tag(audience.id, "loyal")
    assert tag is not None
    for _ in range(2):
        client.rename_tag(audience.id, tag, "very loyal")
    assert tagged(audience, "very loyal") == {ANN}
    assert client.find_tag(audience.id, "loyal") is None
    with pytest.raises(StopRun, match=r"^Mailchimp refused a tag for audience .* that tag already exists\)"):
        client.rename_tag(audience.id, tag, "eu")
    assert standin.statistics().warnings == ()


def test_a_tag_that_is_gone_stops_the_run(client: MailchimpClient, audience: AudienceHandle) -> None:
    tag = client.create_tag(audience.id, "loyal")
    audience.delete_tag("loyal")
    sentence = (
        rf"^Mailchimp has no such tag in audience {audience.id}, or no such audience "
        r"\(404 Resource Not Found\): run the export again, and check audience_id if this comes back\.$"
    )
    with pytest.raises(StopRun, match=sentence):
        client.rename_tag(audience.id, tag, "very loyal")
    with pytest.raises(StopRun, match=sentence):
        client.tag_members(audience.id, tag, remove=[ANN])


# --- putting on and taking off --------------------------------------------------------------------


def test_members_get_a_tag_and_lose_it_in_one_call() -> None:
    answer = {
        "members_added": [{"email_address": ANN, "status": "subscribed"}],
        "members_removed": [],
        "errors": [{"email_addresses": [EVE], "error": f"{EVE} is not on this list."}],
        "total_added": 1,
        "total_removed": 0,
        "error_count": 1,
    }
    script = Script((200, answer))
    told = script.client.tag_members(LIST, 49, add=[ANN, EVE], remove=[BOB])
    assert told == TagAnswer(1, 0, [TagError([EVE], "(an address) is not on this list")])
    assert script.asked == [f"POST {SEGMENTS}/49"]
    assert script.bodies == [{"members_to_add": [ANN, EVE], "members_to_remove": [BOB]}]
    assert EVE not in repr(told)


def test_what_is_not_asked_for_is_not_sent() -> None:
    answer: dict[str, object] = {
        "members_added": None,
        "members_removed": [{}, {}],
        "errors": None,
        "total_added": 0,
    }
    script = Script((200, answer))
    assert script.client.tag_members(LIST, 49, remove=[ANN, BOB]) == TagAnswer(0, 2, [])
    assert script.bodies == [{"members_to_remove": [ANN, BOB]}]
    assert Script().client.tag_members(LIST, 49) == TagAnswer()


def test_a_call_takes_500_of_each_and_no_more() -> None:
    many = [f"m{number}@mail.org" for number in range(501)]
    done = {"total_added": 500, "total_removed": 500}
    assert Script((200, done)).client.tag_members(LIST, 49, add=many[:500], remove=many[1:]).added == 500
    for too_many in ({"add": many}, {"remove": many}):
        with pytest.raises(ValueError, match="500 addresses at most"):
            Script().client.tag_members(LIST, 49, **too_many)


@pytest.mark.parametrize("body", [b"<html>", {}, {"total_added": 1}, {"members_removed": []}, {"errors": []}])
def test_an_answer_that_does_not_tell_how_many_is_asked_for_again(body: object) -> None:
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer to a change of tags"):
        Script((200, body)).client.tag_members(LIST, 49, add=[ANN])


def test_a_refused_call_may_be_made_with_fewer_addresses(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    tag = client.create_tag(audience.id, "loyal")
    standin.add_fault(Refuse(400, "Invalid Resource", "The status of an address is required."))
    with pytest.raises(ChunkRefused) as caught:
        client.tag_members(audience.id, tag, add=[ANN])
    assert caught.value.code == "Invalid Resource"


def test_only_members_change_and_only_by_that_tag(client: MailchimpClient, audience: AudienceHandle) -> None:
    audience.seed(
        [
            MemberView(ANN, "subscribed", tags=("eu", "loyal")),
            MemberView(BOB, "unsubscribed", tags=("eu",)),
            MemberView("gone@mail.org", "archived", tags=("loyal",)),
        ]
    )
    tag = client.find_tag(audience.id, "loyal")
    assert tag is not None
    told = client.tag_members(audience.id, tag, add=["BOB@mail.org", EVE], remove=[ANN, "gone@mail.org"])
    assert (told.added, told.removed) == (1, 1)
    assert [address for error in told.errors for address in error.addresses] == [EVE, "gone@mail.org"]
    again = client.tag_members(audience.id, tag, add=[BOB], remove=[ANN])
    assert again == TagAnswer(0, 0, [])
    assert tagged(audience, "eu") == {ANN, BOB}
    assert tagged(audience, "loyal") == {BOB, "gone@mail.org"}
    assert audience.status_changes() == []
