"""Who said no is suppressed, whatever else an answer says of them; whose status we changed is known."""

import json
from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import Unavailable
from worker.exports.uploading import (
    Answer,
    Refusal,
    Sorted,
    harmed,
    is_compliance,
    sort_answers,
    sort_with_statuses,
    statuses,
    still_out,
)

ADDRESSES = [f"person{n}@example.org" for n in range(8)]
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
COMPLIANCE = (
    "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
)

_listed = st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from(STATUSES))
_messages = st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from(["looks fake", COMPLIANCE]))


def _refusal(email: str, message: str = "looks fake") -> Refusal:
    return Refusal(email, "ERROR_GENERIC", f"{email} {message}", "")


def _answer(
    created: Mapping[str, str], updated: Mapping[str, str], refused: Mapping[str, str] | None = None
) -> Answer:
    def raw(listed: Mapping[str, str]) -> list[msgspec.Raw]:
        documents = [{"email_address": email, "status": status} for email, status in listed.items()]
        return [msgspec.Raw(json.dumps(document).encode()) for document in documents]

    refusals = [_refusal(email, message) for email, message in (refused or {}).items()]
    return Answer(raw(created), raw(updated), refusals, len(created), len(updated), len(refusals))


def _sort(sent: Sequence[str], answer: Answer) -> Sorted:
    return sort_with_statuses(len(sent), lambda: sent, answer, statuses(answer))


def _not_asked() -> list[str]:
    pytest.fail("the body was decoded for nothing")


# --- statuses -------------------------------------------------------------------------------------


def test_the_status_of_everybody_listed_is_known_by_lower_cased_address() -> None:
    answer = _answer({" Ann@X.org": "pending"}, {"BEN@x.org": "unsubscribed"}, {"c@x.org": "looks fake"})
    assert statuses(answer) == {"ann@x.org": "pending", "ben@x.org": "unsubscribed"}
    assert statuses(Answer()) == {}


@pytest.mark.parametrize(
    "member",
    [
        b'{"email_address":"a@x.org"}',
        b'{"email_address":"a@x.org","status":""}',
        b'{"status":"subscribed"}',
        b'{"email_address":" ","status":"subscribed"}',
        b'{"email_address":"a@x.org","status":null}',
        b'"a"',
    ],
)
def test_a_member_without_a_status_makes_the_answer_one_to_ask_for_again(member: bytes) -> None:
    for answer in (Answer(created=[msgspec.Raw(member)]), Answer(updated=[msgspec.Raw(member)])):
        with pytest.raises(Unavailable, match=r"^Mailchimp's answer lists members without .*\.$"):
            statuses(answer)


@pytest.mark.parametrize("status", STATUSES)
def test_the_unsubscribed_the_bounced_and_the_archived_are_still_out(status: str) -> None:
    is_out = status in {"unsubscribed", "cleaned", "archived"}
    assert still_out({"a@x.org": status, "b@x.org": "subscribed"}) == ({"a@x.org"} if is_out else set())


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_a_status_that_is_another_than_before_is_harm_unless_the_person_left(before: str, after: str) -> None:
    is_harm = before != after and after in {"subscribed", "pending", "transactional"}
    assert harmed({"a@x.org": before}, {"a@x.org": after}) == (["a@x.org"] if is_harm else [])


def test_only_who_was_known_before_and_is_told_of_now_can_be_harmed() -> None:
    before = {"a@x.org": "unsubscribed", "b@x.org": "unsubscribed", "c@x.org": "pending"}
    after = {"d@x.org": "subscribed", "c@x.org": "subscribed", "b@x.org": "unsubscribed"}
    assert harmed(before, after) == ["c@x.org"]


# --- sorting --------------------------------------------------------------------------------------


def test_an_answer_that_accounts_for_everybody_and_shows_nobody_out_needs_no_look_at_the_body() -> None:
    answer = _answer({"a@x.org": "subscribed"}, {"b@x.org": "pending", "c@x.org": "transactional"})
    assert sort_with_statuses(3, _not_asked, answer, statuses(answer)) == Sorted(created=1, updated=2)


def test_an_answer_that_lists_a_member_twice_is_not_believed() -> None:
    answer = _answer({"a@x.org": "subscribed"}, {"A@x.org": "subscribed"})
    sorted_ = _sort(["a@x.org", "b@x.org"], answer)
    assert (sorted_.created, sorted_.updated, list(sorted_.missing)) == (1, 0, [1])


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "archived"])
def test_who_is_out_after_the_call_is_suppressed_and_not_updated(status: str) -> None:
    answer = _answer({"a@x.org": "subscribed", "b@x.org": status}, {"c@x.org": status, "d@x.org": "pending"})
    assert _sort(["a@x.org", "B@x.org", "c@x.org", "d@x.org"], answer) == Sorted(
        created=1, updated=1, refused=[], missing=[], suppressed=((1, None), (2, None))
    )


def test_who_is_refused_for_compliance_is_suppressed_with_the_refusal_and_others_are_refused() -> None:
    answer = _answer({}, {"a@x.org": "subscribed"}, {"b@x.org": COMPLIANCE, "C@x.org": "looks fake"})
    assert _sort(["a@x.org", "b@x.org", "c@x.org"], answer) == Sorted(
        updated=1,
        refused=[(2, _refusal("C@x.org"))],
        missing=[],
        suppressed=((1, _refusal("b@x.org", COMPLIANCE)),),
    )


def test_a_refusal_outweighs_the_status_of_who_is_out() -> None:
    sent, out = ["a@x.org", "b@x.org"], {"a@x.org": "unsubscribed", "b@x.org": "unsubscribed"}
    sorted_ = _sort(sent, _answer({}, out, {"a@x.org": "looks fake", "b@x.org": COMPLIANCE}))
    assert list(sorted_.refused) == [(0, _refusal("a@x.org"))]
    assert list(sorted_.suppressed) == [(1, _refusal("b@x.org", COMPLIANCE))]


def test_who_is_out_but_was_not_sent_changes_nothing() -> None:
    answer = _answer({}, {"stranger@x.org": "unsubscribed"})
    assert _sort(["a@x.org"], answer) == Sorted(refused=[], missing=[0])


def test_a_refusal_of_a_single_member_is_told_by_its_title() -> None:
    assert is_compliance(Refusal("a@x.org", "Member In Compliance State", "Nothing said.", ""))


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        (f"a@x.org {COMPLIANCE}", True),
        ("a@x.org is already a list member in Compliance State due to unsubscribe.", True),
        ("a@x.org was permanently deleted and cannot be re-imported.", False),
        ("a@x.org looks fake or invalid, please enter a real email address.", False),
        ("Your merge fields were invalid. Please enter a state", False),
        ("", False),
    ],
)
def test_a_refusal_for_compliance_is_told_by_its_wording(message: str, is_one: bool) -> None:  # noqa: FBT001  # a column of the table
    assert is_compliance(Refusal("a@x.org", "ERROR_GENERIC", message, "")) == is_one


@given(
    sent=st.lists(st.sampled_from(ADDRESSES), max_size=10),
    created=_listed,
    updated=_listed,
    refused=_messages,
)
def test_the_outcomes_add_up_to_the_members_sent_and_nobody_who_is_out_is_updated(
    sent: list[str], created: dict[str, str], updated: dict[str, str], refused: dict[str, str]
) -> None:
    answer = _answer(created, updated, refused)
    sorted_ = _sort(sent, answer)
    indices = [
        *(at for at, _ in sorted_.refused),
        *(at for at, _ in sorted_.suppressed),
        *sorted_.missing,
    ]
    assert len(set(indices)) == len(indices)
    assert sorted_.created + sorted_.updated + len(indices) == len(sent)
    if created.keys().isdisjoint(updated):
        out = still_out(statuses(answer)) - refused.keys()
        assert {sent[at] for at, refusal in sorted_.suppressed if refusal is None} == out & set(sent)


@given(
    sent=st.lists(st.sampled_from(ADDRESSES), unique=True),
    created=_listed,
    updated=_listed,
    refused=_messages,
)
def test_both_ways_of_sorting_agree_on_everybody_else(
    sent: list[str], created: dict[str, str], updated: dict[str, str], refused: dict[str, str]
) -> None:
    answer = _answer(created, updated, refused)
    plain, rich = sort_answers(len(sent), lambda: sent, answer), _sort(sent, answer)
    assert plain.suppressed == ()
    moved = {at for at, _ in rich.suppressed}
    assert list(rich.refused) == [(at, refusal) for at, refusal in plain.refused if at not in moved]
    if not answer.accounts_for(len(sent)):
        assert list(rich.missing) == list(plain.missing)
    taken = plain.created + plain.updated + len(plain.refused)
    if not answer.accounts_for(len(sent)):
        assert rich.created + rich.updated + len(rich.refused) + len(moved) == taken
