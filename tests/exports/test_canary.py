"""What the first small call shows of an audience, and which of its effects stop the run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.exports.canary import WANTS_STATUS, Asked, Finding, Probe, judge
from worker.exports.membership import MemberState

ASKED = Asked(status_if_new="subscribed", tags=("loyal",))
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
KEPT = ("unsubscribed", "cleaned", "pending", "transactional", "archived")


def state(status: str, *tags: str) -> MemberState:
    return MemberState("ann@mail.org", status, tags)


def probe(
    before: MemberState | None, after: MemberState | None, asked: Asked = ASKED, *, refused: bool = False
) -> Probe:
    return Probe(before, asked, after, refused)


NEW = probe(None, state("subscribed", "loyal"))
KNOWN = probe(state("subscribed", "eu"), state("subscribed", "eu", "loyal"))
PENDING = probe(state("pending"), state("pending", "loyal"))


# --- dialects -------------------------------------------------------------------------------------


def test_an_audience_of_the_newest_dialect_is_known_as_such() -> None:
    found = judge([NEW, KNOWN, PENDING])
    assert found == Finding(knows_status_if_new=True, keeps_status=True, knows_tags=True)


def test_an_audience_of_the_classic_dialect_shows_that_it_takes_no_tags() -> None:
    new, known = Asked(status="pending", tags=("loyal",)), Asked(status="transactional", tags=("loyal",))
    found = judge(
        [
            probe(None, state("pending"), new),
            probe(state("transactional", "eu"), state("transactional", "eu"), known),
        ]
    )
    assert found == Finding(knows_status_if_new=None, keeps_status=None, knows_tags=False)


def test_a_call_that_is_refused_for_want_of_a_status_shows_one_thing_and_harms_nobody() -> None:
    assert Finding(knows_status_if_new=False, keeps_status=None, knows_tags=None, harms=()) == WANTS_STATUS


@pytest.mark.parametrize(
    ("probes", "knows"),
    [
        ([], None),
        ([KNOWN, PENDING], None),
        ([NEW], True),
        ([probe(None, None)], None),
        ([probe(None, None, refused=True), NEW], True),
        ([probe(None, state("pending"))], False),
        ([NEW, probe(None, state("transactional"))], False),
        ([NEW, probe(state("pending"), state("subscribed"))], False),
        ([NEW, probe(state("archived"), state("subscribed"))], False),
        ([probe(None, state("subscribed"), Asked(status="subscribed"))], None),
        ([probe(None, state("subscribed"), Asked(status_if_new="subscribed", status="subscribed"))], None),
    ],
)
def test_status_if_new_is_known_where_the_new_have_it_and_nobody_else_got_it(
    probes: list[Probe],
    knows: bool | None,  # noqa: FBT001  # a column of the table
) -> None:
    assert judge(probes).knows_status_if_new is knows


@pytest.mark.parametrize(
    ("probes", "keeps"),
    [
        ([], None),
        ([NEW], None),
        ([KNOWN], None),
        ([PENDING], True),
        ([PENDING, probe(state("transactional"), state("subscribed"))], False),
        ([probe(state("subscribed"), state("unsubscribed"))], False),
        ([probe(state("cleaned"), state("cleaned"), refused=True)], None),
        ([probe(state("pending"), None)], None),
        ([probe(state("pending"), state("pending"), Asked(status="pending"))], None),
    ],
)
def test_a_missing_status_keeps_what_was_there_where_that_was_another(
    probes: list[Probe],
    keeps: bool | None,  # noqa: FBT001  # a column of the table
) -> None:
    assert judge(probes).keeps_status is keeps


@pytest.mark.parametrize(
    ("probes", "knows"),
    [
        ([], None),
        ([NEW], True),
        ([KNOWN], True),
        ([probe(None, state("subscribed"))], False),
        ([NEW, probe(state("subscribed"), state("subscribed"))], False),
        ([probe(state("subscribed", "loyal"), state("subscribed", "loyal"))], None),
        ([probe(state("cleaned"), state("cleaned"), refused=True), NEW], True),
        ([probe(None, None)], None),
        ([probe(None, state("subscribed"), Asked(status_if_new="subscribed"))], None),
        ([probe(None, state("subscribed", "a"), Asked(status_if_new="subscribed", tags=("a", "b")))], False),
    ],
)
def test_tags_are_known_where_everybody_got_all_that_they_lacked(
    probes: list[Probe],
    knows: bool | None,  # noqa: FBT001  # a column of the table
) -> None:
    assert judge(probes).knows_tags is knows


# --- harm -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_any_other_status_of_a_member_who_was_there_is_harm(before: str, after: str) -> None:
    harms = judge([probe(state(before), state(after, "loyal"))]).harms
    assert harms == (() if before == after else (f"status_changed:{before}->{after}",))


@pytest.mark.parametrize("refused", [False, True])
def test_harm_is_harm_even_when_the_member_was_refused(refused: bool) -> None:  # noqa: FBT001  # the one parameter
    changed = probe(state("unsubscribed"), state("subscribed"), refused=refused)
    assert judge([NEW, changed]).harms == ("status_changed:unsubscribed->subscribed",)


@pytest.mark.parametrize(
    ("asked", "got", "harms"),
    [
        ("subscribed", "subscribed", ()),
        ("subscribed", "pending", ()),
        ("subscribed", "transactional", ()),
        ("pending", "transactional", ()),
        ("pending", "subscribed", ("status_exceeded:pending->subscribed",)),
        ("transactional", "pending", ("status_exceeded:transactional->pending",)),
        ("transactional", "subscribed", ("status_exceeded:transactional->subscribed",)),
        ("transactional", "unsubscribed", ()),
        ("pending", "vip", ("status_exceeded:pending->unknown",)),
    ],
)
def test_a_new_member_who_gets_more_mail_than_was_asked_for_is_harmed(
    asked: str, got: str, harms: tuple[str, ...]
) -> None:
    assert judge([probe(None, state(got), Asked(status_if_new=asked))]).harms == harms
    assert judge([probe(None, state(got), Asked(status=asked))]).harms == harms


def test_a_new_member_for_whom_no_status_was_asked_must_not_get_mail() -> None:
    assert judge([probe(None, state("subscribed"), Asked())]).harms == (
        "status_exceeded:unknown->subscribed",
    )
    assert judge([probe(None, state("transactional"), Asked())]).harms == ()


def test_tags_of_others_that_are_gone_are_harm() -> None:
    lost = probe(state("subscribed", "eu", "vip"), state("subscribed", "eu", "loyal"))
    assert judge([lost, KNOWN]).harms == ("tags_lost",)


def test_a_member_who_vanished_is_harm() -> None:
    assert judge([probe(state("pending"), None)]).harms == ("vanished:pending",)


def test_every_harm_of_every_member_is_told() -> None:
    worst = probe(state("unsubscribed", "eu"), state("subscribed"))
    assert judge([worst, NEW, worst]).harms == ("status_changed:unsubscribed->subscribed", "tags_lost") * 2


_states = st.none() | st.builds(
    MemberState,
    email=st.just("ann@mail.org"),
    status=st.sampled_from([*STATUSES, "", "ann@mail.org"]),
    tags=st.lists(st.sampled_from(["loyal", "eu", "ann@mail.org"])),
)
_asked = st.builds(
    Asked,
    status_if_new=st.none() | st.sampled_from(STATUSES),
    status=st.none() | st.sampled_from(STATUSES),
    tags=st.lists(st.sampled_from(["loyal", "eu"])),
)


@given(st.lists(st.builds(Probe, before=_states, asked=_asked, after=_states, refused=st.booleans())))
def test_nothing_that_is_found_names_anybody_and_order_does_not_matter(probes: list[Probe]) -> None:
    found, reversed_ = judge(probes), judge(reversed(probes))
    assert "ann" not in repr(found)
    assert sorted(found.harms) == sorted(reversed_.harms)
    assert (found.knows_status_if_new, found.keeps_status, found.knows_tags) == (
        reversed_.knows_status_if_new, reversed_.keeps_status, reversed_.knows_tags,
    )  # fmt: skip


@given(st.sampled_from(KEPT), st.sampled_from(STATUSES))
def test_nobody_who_said_no_is_brought_back_without_an_alarm(before: str, after: str) -> None:
    found = judge([NEW, probe(state(before), state(after, "loyal"))])
    assert bool(found.harms) == (before != after)
    assert found.keeps_status == (before == after)
