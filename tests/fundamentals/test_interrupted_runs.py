"""Runs that are stopped half-way: what may have arrived is known to have, and what has not is sent later."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.mailchimp_standin import MemberView, Standin
from tests.mailchimp_standin.faults import Bare, Refuse, Reset
from tests.simulation.expected import Manner, Row
from tests.simulation.installation import Installation
from worker.exports.runs import RunDocument

_TAGS = ("Loyal", "Churning")


@pytest.fixture
def at(redis_client: "redis.Redis", valkey: str, tmp_path: Path) -> Iterator[Installation]:
    """One export of two segments in mirror mode; nothing happens but what the test lets happen."""
    with Standin() as standin:
        found = Installation(redis_client, valkey, standin, tmp_path, dialect="newest", required=False)
        with found.driver:
            yield found


def _people(*numbers: int, **fields: str) -> list[Row]:
    filled = {"FNAME": "Ada", "CITY": "Ulm", "VISITS": 1, **fields}
    return [Row(f"person.{number}@inbox.example", filled) for number in numbers]


def _cancel_when(at: Installation, happened: Callable[[], bool]) -> Callable[[], None]:
    """The run that is under way is canceled as soon as something has happened."""
    return lambda: at.cancel() if happened() else None


def _has(at: Installation, kind: str) -> bool:
    """Whether a call of this kind was made in this run."""
    return any(call.startswith(kind) for call in at.calls())


def _codes(at: Installation, run: RunDocument) -> dict[str, str]:
    return {line.email: line.code for line in at.lines(run.run_id)}


def _tags(at: Installation) -> dict[str, tuple[str, ...]]:
    return {address.split("@")[0]: member.tags for address, member in at.audience.members().items()}


def test_who_may_have_arrived_loses_the_tag_when_leaving(at: Installation) -> None:
    """A call was applied and its answer lost, then the run was canceled: the export knows of the tags."""
    at.apply(Manner(_TAGS))
    at.refresh([_people(9), []])
    at.standin.add_fault(Reset(applied=True), times=1, method="POST", path="/lists/[^/]+$")
    run = at.refresh([_people(*range(7), 9), []], hook=_cancel_when(at, lambda: "person.0" in _tags(at)))
    assert run.status == "canceled"
    codes = _codes(at, run)
    assert {codes[f"person.{number}@inbox.example"] for number in range(3)} == {"unseen"}
    assert {codes[f"person.{number}@inbox.example"] for number in range(3, 7)} == {"not_sent"}
    assert _tags(at)["person.0"] == ("Loyal",)
    at.refresh([_people(9), []])
    assert _tags(at) == {"person.9": ("Loyal",), **{f"person.{number}": () for number in range(3)}}


def test_who_was_never_reached_keeps_what_others_gave_them(at: Installation) -> None:
    """Nothing was sent of them, so a tag of the same name is not ours to take off."""
    at.apply(Manner(_TAGS))
    at.refresh([_people(0), []])
    at.audience.seed([MemberView("person.1@inbox.example", "subscribed", {}, ("Churning",))])
    at.standin.add_fault(Bare(429), times=1, method="POST", path="/lists/[^/]+$")
    run = at.refresh([_people(0), _people(1)], hook=_cancel_when(at, lambda: _has(at, "POST")))
    at.standin.clear_faults()
    assert _codes(at, run) == {"person.1@inbox.example": "not_sent"}
    at.refresh([_people(0), []])
    assert _tags(at) == {"person.0": ("Loyal",), "person.1": ("Churning",)}


def test_a_move_that_was_stopped_is_made_up_for(at: Installation) -> None:
    """The run ends, and the next one leaves nobody behind under the old address."""
    at.apply(Manner(_TAGS), key="visits")
    at.refresh([_people(0), []])
    at.standin.add_fault(Refuse(500), times=100, method="PATCH", path="/members/")
    run = at.refresh([_people(1), []], hook=_cancel_when(at, lambda: _has(at, "PATCH")))
    at.standin.clear_faults()
    assert (run.status, run.profiles["failed"]) == ("canceled", 1)
    after = at.refresh([_people(1), []])
    assert after.status == "successful", after.error
    assert _tags(at) == {"person.1": ("Loyal",)}


def test_nothing_is_taken_for_accepted_whose_staged_chunk_is_lost(at: Installation) -> None:
    """Nobody can tell who was in it: the next run sends everybody of the run again."""
    at.apply(Manner(_TAGS))
    at.refresh([_people(0), []])

    def lose() -> None:
        for path in [path for path in at.driver.store.held if path.startswith("staged/")]:
            del at.driver.store.held[path]

    run = at.refresh([_people(0, 1, 2), []], hook=lose)
    assert (run.status, run.profiles["failed"]) == ("partial", 2)
    after = at.refresh([_people(0, 1, 2), []])
    assert (after.profiles["created"], after.profiles["unchanged"]) == (2, 1)
    assert set(_tags(at)) == {"person.0", "person.1", "person.2"}
