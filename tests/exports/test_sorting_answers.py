"""What became of a chunk's members, and what smaller calls are made of."""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import Unavailable
from worker.exports.uploading import (
    Answer,
    Member,
    Refusal,
    Sorted,
    addresses_of,
    halves,
    narrow,
    sort_answers,
)

ADDRESSES = [f"person{n}@example.org" for n in range(8)]

_addresses = st.lists(st.sampled_from(ADDRESSES), max_size=10)
_totals = st.one_of(st.none(), st.integers(0, 10))


def _raw(email: str, status: str = "subscribed") -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"email_address": email, "status": status, "vip": False}).encode())


def _refusal(email: str, code: str = "ERROR_GENERIC") -> Refusal:
    return Refusal(email=email, code=code, message="looks fake", field="")


def _answer(
    created: Sequence[str] = (),
    updated: Sequence[str] = (),
    refused: Sequence[str] = (),
    totals: tuple[int | None, int | None, int | None] | None = None,
) -> Answer:
    claimed = (len(created), len(updated), len(refused)) if totals is None else totals
    return Answer(
        created=[_raw(email) for email in created],
        updated=[_raw(email) for email in updated],
        refusals=[_refusal(email) for email in refused],
        total_created=claimed[0],
        total_updated=claimed[1],
        total_refused=claimed[2],
    )


def _sort(sent: Sequence[str], answer: Answer) -> Sorted:
    return sort_answers(len(sent), lambda: sent, answer)


def _not_asked() -> list[str]:
    pytest.fail("the body was decoded for nothing")


def test_an_answer_that_accounts_for_everybody_is_believed_without_looking_at_the_body() -> None:
    unreadable = [msgspec.Raw(b"!")]
    answer = Answer(created=unreadable, updated=unreadable, total_created=1, total_updated=1, total_refused=0)
    assert sort_answers(2, _not_asked, answer) == Sorted(created=1, updated=1)


@pytest.mark.parametrize("totals", [(None, None, None), (2, None, 0), (0, 2, 0), (2, 0, 1), (5, 0, 0)])
def test_members_are_counted_for_real_when_the_totals_are_absent_or_wrong(
    totals: tuple[int | None, int | None, int | None],
) -> None:
    answer = _answer(created=ADDRESSES[:2], totals=totals)
    assert _sort(ADDRESSES[:2], answer) == Sorted(created=2, refused=[], missing=[])


def test_each_refusal_finds_the_index_of_its_member() -> None:
    answer = _answer(created=["a@x.org"], updated=["c@x.org"], refused=["b@x.org"])
    sorted_ = _sort(["a@x.org", "b@x.org", "c@x.org"], answer)
    assert sorted_ == Sorted(created=1, updated=1, refused=[(1, _refusal("b@x.org"))], missing=[])


def test_addresses_are_the_same_whatever_their_case_and_surrounding_spaces() -> None:
    answer = _answer(updated=[" ANNA@x.org"], refused=["Ben@X.ORG "])
    sorted_ = _sort(["anna@X.org ", "ben@x.org"], answer)
    assert (sorted_.updated, [index for index, _ in sorted_.refused], sorted_.missing) == (1, [1], [])


def test_who_is_refused_and_updated_counts_as_refused() -> None:
    sorted_ = _sort(["a@x.org"], _answer(updated=["a@x.org"], refused=["a@x.org"]))
    assert sorted_ == Sorted(refused=[(0, _refusal("a@x.org"))], missing=[])


def test_the_first_of_several_refusals_of_a_member_is_told() -> None:
    answer = Answer(refusals=[_refusal("a@x.org", "FIRST"), _refusal("a@x.org", "SECOND")])
    assert _sort(["a@x.org"], answer).refused == [(0, _refusal("a@x.org", "FIRST"))]


def test_members_that_were_not_sent_are_ignored_and_silence_about_others_is_missing() -> None:
    answer = _answer(created=["stranger@x.org"], refused=["other@x.org"])
    assert _sort(["a@x.org", "b@x.org"], answer) == Sorted(refused=[], missing=[0, 1])


def test_a_member_told_twice_counts_once() -> None:
    sorted_ = _sort(["a@x.org", "b@x.org"], _answer(created=["a@x.org", "a@x.org"], updated=["a@x.org"]))
    assert sorted_ == Sorted(created=1, refused=[], missing=[1])


@given(sent=_addresses, created=_addresses, updated=_addresses, refused=_addresses, claimed=_totals)
def test_the_outcomes_always_add_up_to_the_members_sent(
    sent: list[str], created: list[str], updated: list[str], refused: list[str], claimed: int | None
) -> None:
    totals = None if claimed is None else (claimed, len(updated), len(refused))
    sorted_ = _sort(sent, _answer(created, updated, refused, totals))
    indices = [index for index, _ in sorted_.refused] + list(sorted_.missing)
    assert sorted_.created + sorted_.updated + len(indices) == len(sent)
    assert len(set(indices)) == len(indices)


@given(st.lists(st.sampled_from(ADDRESSES), unique=True), st.data())
def test_an_answer_about_every_member_once_leaves_none_missing(sent: list[str], data: st.DataObject) -> None:
    fates = data.draw(st.lists(st.sampled_from("cur"), min_size=len(sent), max_size=len(sent)))
    told = {fate: [a for a, f in zip(sent, fates, strict=True) if f == fate] for fate in "cur"}
    sorted_ = _sort(sent, _answer(told["c"], told["u"], told["r"]))
    assert (sorted_.created, sorted_.updated) == (len(told["c"]), len(told["u"]))
    assert [sent[index] for index, _ in sorted_.refused] == told["r"]
    assert list(sorted_.missing) == []


def test_members_of_an_answer_can_be_read_with_their_status() -> None:
    answer = Answer(created=[_raw("a@x.org", "pending")], updated=[_raw("b@x.org", "unsubscribed")])
    assert answer.created_members() == [Member(email="a@x.org", status="pending")]
    assert answer.updated_members() == [Member(email="b@x.org", status="unsubscribed")]


@pytest.mark.parametrize(
    "member",
    [
        b'{"email_address": 5}',
        b'"a"',
        b'{"email_address": "\\ud800"}',
        b'{"email_address": "\xff"}',
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
    ],
)
def test_members_that_can_not_be_read_make_the_answer_one_to_ask_for_again(member: bytes) -> None:
    answer = Answer(created=[msgspec.Raw(member)])
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer lists members without a readable address"):
        _sort(["a@x.org"], answer)


def test_no_representation_shows_an_address() -> None:
    answer = _answer(created=["a@x.org"], refused=["b@x.org"])
    shown = repr([answer, answer.created_members(), answer.refusals, _sort(["b@x.org"], answer)])
    assert "@" not in shown
    assert "ERROR_GENERIC" in shown


# --- bodies -------------------------------------------------------------------------------------

_member = st.fixed_dictionaries(
    {"email_address": st.sampled_from(ADDRESSES)},
    optional={
        "merge_fields": st.dictionaries(st.text(max_size=4), st.text(max_size=6), max_size=3),
        "score": st.floats(allow_nan=False, allow_infinity=False),
    },
)


@given(members=st.lists(_member, max_size=6), data=st.data())
def test_a_narrowed_body_holds_exactly_the_members_kept_and_all_else_untouched(
    members: list[dict[str, object]], data: st.DataObject
) -> None:
    body = {"update_existing": True, "members": members, "later": {"members": [1]}}
    keep = data.draw(st.lists(st.sampled_from(range(len(members))), unique=True)) if members else []
    narrowed = json.loads(narrow(json.dumps(body).encode(), keep))
    assert narrowed == body | {"members": [members[index] for index in keep]}


def test_a_narrowed_body_keeps_every_byte_of_its_members() -> None:
    odd = b'{"email_address":"a@x.org", "n":1.50e1,"t":"\\u00e9 \xc3\xa9"}'
    body = b'{"members":[' + odd + b',{"email_address":"b@x.org"}],"sync_tags":false}'
    assert narrow(body, [0]) == b'{"members":[' + odd + b'],"sync_tags":false}'
    assert addresses_of(narrow(body, [1])) == ["b@x.org"]


def test_a_member_that_the_body_does_not_have_is_an_error() -> None:
    with pytest.raises(IndexError):
        narrow(b'{"members":[]}', [0])


def test_addresses_of_a_body_come_in_its_order() -> None:
    body = b'{"members":[{"email_address":"b@x.org","tags":["t"]},{"email_address":"a@x.org"}]}'
    assert addresses_of(body) == ["b@x.org", "a@x.org"]


@given(st.lists(st.integers(0, 499), unique=True, min_size=2))
def test_halves_are_smaller_and_lose_nobody(members: list[int]) -> None:
    first, second = halves(members)
    assert first + second == members
    assert 0 < len(second) <= len(first) < len(members)
