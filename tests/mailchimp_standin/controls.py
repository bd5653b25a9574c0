"""The handles by which tests, the demo and benchmarks hold a stand-in, wherever it runs."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

import msgspec

from .audience import Dialect
from .faults import Action, Rule
from .members import Kept, Who
from .reports import AccountStatistics, CallRecord, Digest, MemberView, Statistics, StatusChange
from .validation import MergeField
from .world import API_KEY, LIST_ID, Answers

T = TypeVar("T")
SEEDED = 10_000
_decode_view = msgspec.json.Decoder(MemberView).decode


class Controls(ABC):
    """A stand-in. There is one account (`API_KEY`) with one audience (`LIST_ID`) to begin with."""

    url: str

    @abstractmethod
    def do(self, operation: str, returns: type[T], /, **arguments: Any) -> T:
        """Carry out an operation of `operations.py`; KeyError for what is not there."""

    @abstractmethod
    def dump(self, list_id: str) -> Iterator[bytes]:
        """The members of an audience, archived ones included, as lines of JSON."""

    def _tell(self, operation: str, /, **arguments: Any) -> None:
        self.do(operation, cast("type[None]", None), **arguments)

    def account(self, api_key: str = API_KEY) -> "AccountHandle":
        return AccountHandle(self, api_key)

    def add_account(self, api_key: str) -> "AccountHandle":
        self._tell("add_account", api_key=api_key)
        return self.account(api_key)

    def audience(self, list_id: str = LIST_ID) -> "AudienceHandle":
        return AudienceHandle(self, list_id)

    def add_audience(self, list_id: str, *, api_key: str = API_KEY) -> "AudienceHandle":
        self._tell("add_audience", list_id=list_id, api_key=api_key)
        return self.audience(list_id)

    def add_app(self, client_id: str, client_secret: str, redirect_uri: str) -> None:
        """Register an app, to which people can give tokens of their accounts."""
        self._tell("add_app", client_id=client_id, client_secret=client_secret, redirect_uri=redirect_uri)

    def configure_login(self, **settings: Any) -> None:
        """Change settings of `Login`; only what is given changes.

        `api_key` (whose account it is that logs in), `deny`, `dc`, `api_endpoint`, `account_name`.
        """
        self._tell("configure_login", **settings)

    def tokens(self) -> list[str]:
        """All tokens that were given, in order."""
        return self.do("tokens", list[str])

    def set_latency(self, seconds: float | tuple[float, float]) -> None:
        """Seconds a call takes, or a span of them to draw from."""
        self._tell("set_latency", seconds=seconds)

    def set_answers(self, answers: Answers) -> None:
        """Members in the answers of batches: as Mailchimp has them, or id, address and status only."""
        self._tell("set_answers", answers=answers)

    def set_clock_offset(self, seconds: float) -> None:
        """How far the stand-in's `created` and `last_changed` are ahead of the machine's clock."""
        self._tell("set_clock_offset", seconds=seconds)

    def add_fault(self, action: Action, /, **when: Any) -> int:
        """Arm a fault (see `Rule` for `when`); gives its number."""
        return self.do("add_fault", int, rule=Rule(action=action, **when))

    def fault_hits(self, number: int) -> int:
        """How often a fault has fired."""
        return self.do("fault_hits", int, number=number)

    def remove_fault(self, number: int) -> None:
        self._tell("remove_fault", number=number)

    def clear_faults(self) -> None:
        self._tell("clear_faults")

    def statistics(self) -> Statistics:
        return self.do("statistics", Statistics)

    def reset_statistics(self) -> None:
        self._tell("reset_statistics")


class AccountHandle:
    """One account of a stand-in."""

    def __init__(self, standin: Controls, api_key: str) -> None:
        self._standin = standin
        self.api_key = api_key

    def configure(self, **settings: Any) -> None:
        """Change settings of `Account`; only what is given changes.

        `limit`, `others` (connections that other integrations hold), `bare` (429 without a body),
        `linger`, `revoked`, `plan`, `name`.
        """
        self._standin.do("configure_account", cast("type[None]", None), api_key=self.api_key, **settings)

    def statistics(self) -> AccountStatistics:
        return self._standin.do("account_statistics", AccountStatistics, api_key=self.api_key)

    @property
    def open(self) -> int:
        """Calls open now."""
        return self.statistics().open

    def high_water(self, since: float = 0.0, until: float | None = None) -> int:
        """The most calls that were open at once (between two times, if given; seconds since 1970)."""
        if not since and until is None:
            return self.statistics().high_water
        span = {"since": since, "until": time.time() + 1 if until is None else until}
        return self._standin.do("high_water", int, api_key=self.api_key, **span)

    def calls(self) -> list[CallRecord]:
        """Every call that ended, in order; the last 100,000."""
        return self._standin.do("calls", list[CallRecord], api_key=self.api_key)

    def timeline(self) -> list[tuple[float, int]]:
        """(time, calls open from then on), at every change; the last 100,000."""
        return self._standin.do("timeline", list[tuple[float, int]], api_key=self.api_key)


class AudienceHandle:
    """One audience of a stand-in."""

    def __init__(self, standin: Controls, list_id: str) -> None:
        self._standin = standin
        self.id = list_id

    def _do(self, operation: str, returns: type[T], /, **arguments: Any) -> T:
        return self._standin.do(operation, returns, list_id=self.id, **arguments)

    def _tell(self, operation: str, /, **arguments: Any) -> None:
        self._do(operation, cast("type[None]", None), **arguments)

    def configure(
        self,
        *,
        dialect: Dialect | None = None,
        double_optin: bool | None = None,
        ignore_unknown_fields: bool | None = None,
        name: str | None = None,
    ) -> None:
        """Only what is given changes."""
        self._tell(
            "configure_audience",
            dialect=dialect,
            double_optin=double_optin,
            ignore_unknown_fields=ignore_unknown_fields,
            name=name,
        )

    def delete(self) -> None:
        self._tell("delete_audience")

    def add_merge_field(self, field: MergeField) -> None:
        self._tell("add_merge_field", field=field)

    def delete_merge_field(self, tag: str) -> None:
        self._tell("delete_merge_field", tag=tag)

    def delete_tag(self, name: str) -> None:
        self._tell("delete_tag", name=name)

    def tags(self) -> dict[str, int]:
        """How many members (of any status) have each tag."""
        return self._do("tags", dict[str, int])

    def lines(self) -> Iterator[bytes]:
        """A `MemberView` a line, as JSON: for audiences too large for `members`."""
        return self._standin.dump(self.id)

    def members(self) -> dict[str, MemberView]:
        """Everybody, archived ones included, by lower-cased address."""
        views = (_decode_view(line) for line in self.lines())
        return {view.email_address.lower(): view for view in views}

    def member(self, address: str) -> MemberView | None:
        return self._do("member", cast("type[MemberView | None]", MemberView | None), address=address)

    def __len__(self) -> int:
        return self._do("member_count", int)

    def digest(self) -> Digest:
        """Compare with `digest(expected members)`."""
        return self._do("digest", Digest)

    def seed(self, members: Iterable[MemberView]) -> None:
        """Put members there, as they are and unchecked."""
        views = list(members)
        for start in range(0, len(views), SEEDED):
            self._tell("seed", members=views[start : start + SEEDED])

    def set_status(self, address: str, status: Kept, *, by: Who = "self") -> None:
        """By hand, not by the API; `by` matters for "unsubscribed"."""
        self._tell("set_status", address=address, status=status, by=by)

    def unsubscribe(self, address: str) -> None:
        """The person clicks on the link."""
        self.set_status(address, "unsubscribed")

    def delete_permanently(self, address: str) -> None:
        self._tell("delete_permanently", address=address)

    def refuse_velocity(self, addresses: Iterable[str]) -> None:
        """Exactly these have "signed up to a lot of lists very recently"."""
        self._tell("refuse_velocity", addresses=list(addresses))

    def status_changes(self) -> list[StatusChange]:
        """Every change of an existing member's status, in order."""
        return self._do("status_changes", list[StatusChange])

    @property
    def resubscribed(self) -> int:
        """How often the API made somebody subscribed who was a member with another status."""
        return self._do("resubscribed", int)
