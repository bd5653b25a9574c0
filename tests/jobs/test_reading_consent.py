"""Reading who is not subscribed, of lists that change while they are read: nobody is overlooked."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

from tests.simulation.clock import Clock
from tests.simulation.outside import Cupboard
from worker.errors import Unavailable
from worker.exports.definitions import Connection
from worker.exports.definitions import Consent as Agreement
from worker.exports.statuses import NAMES, hash_of
from worker.jobs.consent import Consent
from worker.keyring import Keyring
from worker.mailchimp.members import MembersPage

_CONNECTION: Final = Connection(
    name="newsletter",
    type="mailchimp",
    api_key="env:KEY",
    consent=Agreement(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23)),
)
_LIST: Final = "a1b2c3d4e5"


class _Lists:
    """Both an account and its client: lists of members by status, the one who changed last at the end."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {name: [] for name in NAMES.values()}
        self.changed: dict[str, datetime] = {}
        self.asked: list[tuple[str, datetime | None]] = []
        self.after: Callable[[str, int], None] = lambda _status, _offset: None
        self.claimed = 0

    def call(self, _connection: Connection, _run_id: str, make: Callable[[Any], Any]) -> Any:
        return make(self)

    def close_thread(self) -> None:
        """There is nothing to close."""

    def becomes(self, address: str, status: str) -> None:
        for each in self.lists.values():
            if address in each:
                each.remove(address)
        self.lists[status].append(address)
        self.changed[address] = datetime.now(UTC)

    def members(
        self, _audience: str, *, status: str, since: datetime | None, offset: int, count: int
    ) -> MembersPage:
        self.asked.append((status, since))
        found = [each for each in self.lists[status] if since is None or self._since(each, since)]
        page = [(each, status) for each in found[offset : offset + count]]
        self.after(status, offset)
        return MembersPage(page, max(len(found), self.claimed))

    def _since(self, address: str, moment: datetime) -> bool:
        return self.changed.get(address, datetime.min.replace(tzinfo=UTC)) > moment


@pytest.fixture
def far() -> _Lists:
    return _Lists()


@pytest.fixture
def read(far: _Lists) -> Callable[..., dict[str, str]]:
    """Reads statuses; gives those of some addresses."""
    consent = Consent(
        accounts=far,  # type: ignore[arg-type]  # as much of it as is used
        objects=Cupboard(Clock()),
        sealer=Keyring([bytes(32)]),
    )

    def statuses(*addresses: str, **options: Any) -> dict[str, str]:
        known = consent.statuses(_CONNECTION, _LIST, "run", **options)
        assert known["address_hash"].is_unique().all()
        asked = pl.DataFrame({"email": addresses}).with_columns(hash_of(addresses))
        found = asked.join(known, on="address_hash", how="inner", maintain_order="left")
        return {email: NAMES[code] for email, code in found.select("email", "status").iter_rows()}

    return statuses


def _people(count: int) -> list[str]:
    return [f"person.{number}@inbox.example" for number in range(count)]


def test_nobody_is_overlooked_when_others_leave_the_list_meanwhile(
    far: _Lists, read: Callable[..., dict[str, str]]
) -> None:
    people = _people(2_500)
    far.lists["unsubscribed"] += people

    def leave(status: str, offset: int) -> None:
        for address in people[offset : offset + 40] if status == "unsubscribed" else []:
            far.becomes(address, "subscribed")

    far.after = leave
    found = read(*people)
    assert dict.fromkeys(far.lists["unsubscribed"], "unsubscribed").items() <= found.items()


def test_a_list_that_ends_before_its_own_count_is_not_believed(
    far: _Lists, read: Callable[..., dict[str, str]]
) -> None:
    far.lists["cleaned"] += _people(3)
    far.claimed = 9
    with pytest.raises(Unavailable, match="ends before its own count"):
        read(*_people(3))


def test_later_readings_ask_for_what_has_changed_only(
    far: _Lists, read: Callable[..., dict[str, str]]
) -> None:
    far.lists["unsubscribed"] += ["ann@x.org"]
    assert read("ann@x.org", "bob@x.org") == {"ann@x.org": "unsubscribed"}
    assert {since for _, since in far.asked} == {None}
    far.asked.clear()
    far.becomes("bob@x.org", "cleaned")
    assert read("ann@x.org", "bob@x.org") == {"ann@x.org": "unsubscribed", "bob@x.org": "cleaned"}
    assert all(since and datetime.now(UTC) - since > timedelta(minutes=9) for _, since in far.asked)


def test_where_everybody_needs_a_status_everybody_is_read_anew(
    far: _Lists, read: Callable[..., dict[str, str]]
) -> None:
    """Even who changed without our hearing of it: they would be sent as if they were new."""
    far.lists["subscribed"] += ["ann@x.org", "bob@x.org"]
    assert read("ann@x.org", everybody=True) == {"ann@x.org": "subscribed"}
    far.lists["unsubscribed"].append(far.lists["subscribed"].pop(0))
    found = read("ann@x.org", "bob@x.org", everybody=True)
    assert found == {"ann@x.org": "unsubscribed", "bob@x.org": "subscribed"}


@pytest.mark.parametrize("status", ["unsubscribed", "archived", "pending"])
def test_who_leaves_while_the_subscribed_are_read_is_known_all_the_same(
    far: _Lists, read: Callable[..., dict[str, str]], status: str
) -> None:
    far.lists["subscribed"] += ["ann@x.org", "bob@x.org"]
    # all other lists are read by now, and this one has yet to be
    real = far.members

    def members(_audience: str, **options: Any) -> MembersPage:
        if options["status"] == "subscribed" and "bob@x.org" in far.lists["subscribed"]:
            far.becomes("bob@x.org", status)
        return real(_audience, **options)

    far.members = members  # type: ignore[method-assign]  # a moment between two readings
    assert read("ann@x.org", "bob@x.org", everybody=True) == {"ann@x.org": "subscribed", "bob@x.org": status}
