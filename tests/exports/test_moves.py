"""Whose address changed: moved along where they may be, and left alone where they said no."""

from dataclasses import dataclass

import polars as pl
import pytest

from worker.exports.canarying import choose_canary
from worker.exports.delta import KNOWN, OUT, Standing, Why, hold_against
from worker.exports.moves import find_moves, hold_those_out, with_old_statuses
from worker.exports.plan import RowVerdict
from worker.exports.planning import PlanSettings, Survey, survey
from worker.exports.statuses import NAMES, hash_of, status_frame


@dataclass(frozen=True)
class _Found:
    survey: Survey
    accepted: pl.DataFrame

    @property
    def moves(self) -> pl.DataFrame:
        return find_moves(self.survey, self.accepted)


def _surveyed(memory_table: type, people: dict[str, str | None]) -> Survey:
    table = memory_table("loyal", {"email": list(people), "id": list(people.values())})
    return survey([table], PlanSettings(email="email", tags=("Loyal",), key="id"), [])


def _found(memory_table: type, before: dict[str, str | None], now: dict[str, str | None]) -> _Found:
    accepted = _surveyed(memory_table, before).rows.select(list(KNOWN))
    held = hold_against(_surveyed(memory_table, now), Standing(accepted=accepted))
    return _Found(held, accepted)


def _out(why: Why, *addresses: str) -> pl.DataFrame:
    whys = pl.Series("why", [int(why)] * len(addresses), dtype=pl.UInt8)
    return hash_of(addresses).to_frame().with_columns(whys).select(list(OUT))


@pytest.fixture
def moved(memory_table: type) -> _Found:
    """Of two people one has another address."""
    return _found(memory_table, {"old@x.org": "1", "b@x.org": "2"}, {"new@x.org": "1", "b@x.org": "2"})


def test_a_person_with_another_address_is_moved(moved: _Found) -> None:
    assert moved.moves["address_hash"].to_list() == hash_of(["new@x.org"]).to_list()
    assert moved.moves["old_hash"].to_list() == hash_of(["old@x.org"]).to_list()


def test_a_person_in_two_segments_is_one_person(memory_table: type, moved: _Found) -> None:
    tables = [
        memory_table(name, {"email": ["new@x.org", "b@x.org"], "id": ["1", "2"]}) for name in ("loyal", "new")
    ]
    found = survey(tables, PlanSettings(email="email", tags=("Loyal", "New"), key="id"), [])
    assert find_moves(found, moved.accepted).equals(moved.moves)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"old@x.org": None}, {"new@x.org": None}),
        ({"old@x.org": "1", "older@x.org": "1"}, {"new@x.org": "1"}),
        ({"old@x.org": "1"}, {"new@x.org": "1", "newer@x.org": "1"}),
        ({"old@x.org": "1"}, {"new@x.org": "1", "old@x.org": "2"}),
        ({"old@x.org": "1", "new@x.org": "2"}, {"new@x.org": "1"}),
    ],
    ids=["no key", "two before", "two now", "old one is somebody's", "new one is somebody's"],
)
def test_nobody_is_moved_who_may_be_somebody_else(
    memory_table: type, before: dict[str, str | None], now: dict[str, str | None]
) -> None:
    assert _found(memory_table, before, now).moves.is_empty()


def test_somebody_who_is_not_moved_goes_first_on_an_unknown_audience(memory_table: type) -> None:
    found = _found(memory_table, {"old@x.org": "1"}, {"new@x.org": "1", "c@x.org": "3"})
    few, rest = choose_canary(hold_against(found.survey, Standing()), found.moves["address_hash"])
    assert few.rows["verdict"].to_list() == [RowVerdict.NOT_ASKED, RowVerdict.SEND]
    assert rest.rows["verdict"].to_list() == [RowVerdict.SEND, RowVerdict.NOT_ASKED]


def test_where_all_are_moved_somebody_goes_first_all_the_same(memory_table: type) -> None:
    found = _found(memory_table, {"old@x.org": "1"}, {"new@x.org": "1"})
    few, _ = choose_canary(hold_against(found.survey, Standing()), found.moves["address_hash"])
    assert few.rows["verdict"].to_list() == [RowVerdict.SEND]


@pytest.mark.parametrize("why", [Why.UNSUBSCRIBED, Why.ARCHIVED])
def test_a_no_holds_under_any_address(moved: _Found, why: Why) -> None:
    held, moves = hold_those_out(moved.survey, moved.moves, _out(why, "old@x.org"))
    assert moves.is_empty()
    assert held.rows["verdict"].to_list() == [RowVerdict.SUPPRESSED, RowVerdict.UNCHANGED]
    assert held.rows["why"].to_list() == [why, Why.NOTHING]


def test_a_bounced_address_says_nothing_of_the_new_one(moved: _Found) -> None:
    held, moves = hold_those_out(moved.survey, moved.moves, _out(Why.CLEANED, "old@x.org"))
    assert moves.is_empty()
    assert held.rows["verdict"].to_list() == [RowVerdict.SEND, RowVerdict.UNCHANGED]


@pytest.mark.parametrize("out", [None, _out(Why.UNSUBSCRIBED), _out(Why.UNSUBSCRIBED, "b@x.org")])
def test_those_out_who_did_not_move_change_nothing(moved: _Found, out: pl.DataFrame | None) -> None:
    held, moves = hold_those_out(moved.survey, moved.moves, out)
    assert moves.equals(moved.moves)
    assert held.rows["verdict"].to_list() == [RowVerdict.SEND, RowVerdict.UNCHANGED]


@pytest.mark.parametrize(
    ("statuses", "sent"),
    [
        ({"old@x.org": "pending"}, "pending"),
        ({"old@x.org": "pending", "new@x.org": "subscribed"}, "subscribed"),
        ({"b@x.org": "pending"}, None),
    ],
    ids=["of the old address", "of the new address", "of nobody"],
)
def test_where_all_are_sent_with_a_status_it_moves_along(
    moved: _Found, statuses: dict[str, str], sent: str | None
) -> None:
    """Else whoever had yet to confirm would be subscribed as if they were new."""
    known = status_frame(statuses.items())
    held = hold_against(moved.survey, Standing(statuses=known))
    rows = with_old_statuses(held, moved.moves, known).rows
    assert NAMES.get(rows["status"][0]) == sent
    assert NAMES.get(rows["status"][1]) == statuses.get("b@x.org")
