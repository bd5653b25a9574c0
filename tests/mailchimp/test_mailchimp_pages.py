"""Pages of members: of each the address and the status, and nobody overlooked."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mailchimp.scripted import LIST, Script, problem
from tests.mailchimp_standin import AudienceHandle, MemberView, Standin
from worker.errors import SegmentExportError, StopRun, Unavailable
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.members import MembersPage, moment

ANN = "ann@mail.org"
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
SINCE = datetime(2026, 11, 23, 14, 30, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))


def test_a_page_is_asked_for_by_status_and_time_and_holds_nothing_else_of_a_member() -> None:
    page = {"members": [{"email_address": "Ann@mail.org", "status": "cleaned"}], "total_items": 2001}
    script = Script((200, page))
    found = script.client.members(LIST, status="cleaned", since=SINCE, offset=1000, count=500)
    assert found == MembersPage([("Ann@mail.org", "cleaned")], 2001)
    wanted = (
        "fields=members.email_address,members.status,total_items&status=cleaned&sort_field=last_changed"
        "&sort_dir=ASC&count=500&offset=1000&since_last_changed=2026-11-23T12:30:05+00:00"
    )
    assert script.asked == [f"GET /lists/{LIST}/members?{wanted}"]


def test_the_first_page_of_everybody_is_as_large_as_can_be() -> None:
    script = Script((200, {"members": [], "total_items": 0}))
    assert script.client.members(LIST, status="archived") == MembersPage([], 0)
    assert script.asked[0].endswith(
        "&status=archived&sort_field=last_changed&sort_dir=ASC&count=1000&offset=0"
    )


@given(st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.timezones()))  # noqa: DTZ001  # drawn with a zone
def test_a_time_is_told_in_whole_seconds_and_never_too_late(at: datetime) -> None:
    told = datetime.fromisoformat(moment(at))
    assert timedelta() <= at.astimezone(UTC) - told < timedelta(seconds=1)


def test_a_time_without_a_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="could be meant in any"):
        Script().client.members(LIST, status="cleaned", since=datetime(2026, 11, 23))  # noqa: DTZ001  # the mistake


def test_a_contact_without_an_address_keeps_its_place_on_the_page() -> None:
    page = {"members": [{"email_address": None, "status": "unsubscribed"}], "total_items": 1}
    assert Script((200, page)).client.members(LIST, status="unsubscribed").members == [("", "unsubscribed")]


@pytest.mark.parametrize(
    "page",
    [
        b"<html>",
        {},
        {"members": []},
        {"total_items": 0},
        {"members": None, "total_items": 0},
        {"members": [{"email_address": ANN}], "total_items": 1},
        {"members": [{"status": "cleaned"}], "total_items": 1},
    ],
)
def test_a_page_that_could_hide_somebody_is_asked_for_again(page: object) -> None:
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer about members is not the JSON it should be"):
        Script((200, page)).client.members(LIST, status="cleaned")


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_a_page_that_is_refused_is_no_empty_page(status: int) -> None:
    with pytest.raises(SegmentExportError):
        Script((status, problem())).client.members(LIST, status="cleaned")


def test_a_page_never_shows_who_is_on_it() -> None:
    assert repr(MembersPage([(ANN, "cleaned")], 7)) == "MembersPage(members=1, total=7)"


@pytest.mark.parametrize("status", STATUSES)
def test_everybody_of_a_status_is_found_page_by_page(
    client: MailchimpClient, audience: AudienceHandle, status: str
) -> None:
    wanted = {f"m{number}@{status}.org" for number in range(25)}
    audience.seed(MemberView(address, status) for address in wanted)
    audience.seed(MemberView(f"other@{other}.org", other) for other in STATUSES if other != status)
    pages = [client.members(audience.id, status=status, offset=offset, count=10) for offset in (0, 10, 20)]
    assert [(len(page.members), page.total) for page in pages] == [(10, 25), (10, 25), (5, 25)]
    assert {member for page in pages for member in page.members} == {(a, status) for a in wanted}


def test_only_who_changed_since_is_found_the_longest_unchanged_first(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    began = datetime.now(UTC)
    for hours, address in ((3, "c@mail.org"), (1, "a@mail.org"), (2, "b@mail.org")):
        standin.set_clock_offset(3600 * hours)
        audience.seed([MemberView(address, "unsubscribed")])
    since = client.members(audience.id, status="unsubscribed", since=began + timedelta(hours=1.5))
    assert [address for address, _ in since.members] == ["b@mail.org", "c@mail.org"]
    everybody = client.members(audience.id, status="unsubscribed")
    assert [address for address, _ in everybody.members] == ["a@mail.org", "b@mail.org", "c@mail.org"]
    audience.delete()
    with pytest.raises(StopRun, match="has no audience"):
        client.members(audience.id, status="unsubscribed")
