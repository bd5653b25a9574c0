"""Everybody's address changes: members move along with the status they have, and a no stays a no."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.mailchimp_standin import MemberView, Standin
from tests.simulation.expected import Manner, Row
from tests.simulation.installation import Installation

_TAGS: Final = ("Loyal", "Churning")
_STATUSES: Final = ("subscribed", "pending", "transactional")
_PEOPLE: Final = 18


@pytest.fixture(params=["newest", "classic"])
def at(
    request: pytest.FixtureRequest, redis_client: "redis.Redis", valkey: str, tmp_path: Path
) -> Iterator[Installation]:
    """One export of two segments in mirror mode, with a key; the audience speaks either dialect."""
    with Standin() as standin:
        found = Installation(redis_client, valkey, standin, tmp_path, dialect=request.param, required=False)
        found.apply(Manner(_TAGS, on_leave="archive"), key="visits", guard={"remove_least": 1_000})
        with found.driver:
            yield found


def _address(number: int, domain: str) -> str:
    return f"person.{number}@{domain}.example"


def _tables(domain: str, *more: int) -> list[list[Row]]:
    """Everybody is in both segments; the number of visits is who they are."""
    people = [
        Row(_address(number, domain), {"FNAME": "Ada", "CITY": "Ulm", "VISITS": number})
        for number in (*range(1, _PEOPLE + 1), *more)
    ]
    return [people, people]


def test_members_keep_their_status_under_their_new_address(at: Installation) -> None:
    """Who has to confirm still has to, and nobody is left behind under the old address."""
    statuses = {number: _STATUSES[number % 3] for number in range(1, _PEOPLE + 1)}
    at.audience.seed([MemberView(_address(number, "old"), status) for number, status in statuses.items()])
    at.refresh(_tables("old"))
    # the audience has shown nothing of new members yet: one of them has to go first
    run = at.refresh(_tables("new", 99))
    assert (run.status, run.removed, run.resubscribed) == ("successful", 0, 0), run.error
    members = at.audience.members()
    assert {address: each.status for address, each in members.items()} == {
        _address(number, "new"): status for number, status in (*statuses.items(), (99, "subscribed"))
    }
    assert {each.tags for each in members.values()} == {("Churning", "Loyal")}
    assert [change for change in at.audience.status_changes() if change.via == "api"] == []


def test_who_said_no_is_not_asked_again_under_another_address(at: Installation) -> None:
    """Whether they did so themselves or an administrator did it for them."""
    at.refresh(_tables("old"))
    for number in range(1, 7):
        at.audience.set_status(_address(number, "old"), "unsubscribed", by="self" if number % 2 else "admin")
    for _ in range(2):
        run = at.refresh(_tables("new"))
        assert (run.status, run.profiles["suppressed"]) == ("successful", 6), run.error
        members = at.audience.members()
        assert not {_address(number, "new") for number in range(1, 7)} & members.keys()
        assert {members[_address(number, "old")].status for number in range(1, 7)} == {"unsubscribed"}
        assert {members[_address(number, "new")].status for number in range(7, _PEOPLE + 1)} == {"subscribed"}
    assert at.audience.resubscribed == 0
