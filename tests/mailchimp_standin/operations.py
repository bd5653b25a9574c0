"""What may be asked of a running stand-in, and told to it: plain arguments, JSON-able results.

`Standin` calls these on its server's thread, `StandinProcess` by `POST /_standin/do/{name}`. None
counts as a call of Mailchimp's API.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from .accounts import Account
from .audience import Audience, Dialect
from .faults import Rule
from .login import App
from .members import Kept, Member, Who, key_of
from .reports import AccountStatistics, CallRecord, Digest, MemberView, Statistics, StatusChange, digest
from .validation import MergeField
from .world import Answers, World


class Operations:
    """One method an operation; a wrong name of an account, audience or member is a KeyError."""

    def __init__(self, world: World) -> None:
        self._world = world

    # the whole

    def set_latency(self, seconds: float | tuple[float, float]) -> None:
        self._world.latency = seconds

    def set_answers(self, answers: Answers) -> None:
        self._world.answers = answers

    def set_clock_offset(self, seconds: float) -> None:
        self._world.clock_offset = seconds

    def statistics(self) -> Statistics:
        return self._world.statistics()

    def reset_statistics(self) -> None:
        for account in self._world.accounts.values():
            account.forget_calls()
        self._world.unauthorized = 0
        self._world.warnings.clear()

    def add_fault(self, rule: Rule) -> int:
        return self._world.faults.add(rule)

    def fault_hits(self, number: int) -> int:
        return self._world.faults.armed[number].fired

    def remove_fault(self, number: int) -> None:
        self._world.faults.armed.pop(number, None)

    def clear_faults(self) -> None:
        self._world.faults.armed.clear()

    # accounts

    def add_account(self, api_key: str) -> None:
        self._world.add_account(api_key)

    def configure_account(
        self,
        api_key: str,
        *,
        limit: int | None = None,
        others: int | None = None,
        bare: bool | None = None,
        linger: bool | None = None,
        revoked: bool | None = None,
        plan: str | None = None,
        name: str | None = None,
    ) -> None:
        _set(
            self._account(api_key),
            limit=limit,
            others=others,
            bare=bare,
            linger=linger,
            revoked=revoked,
            plan=plan,
            name=name,
        )

    def account_statistics(self, api_key: str) -> AccountStatistics:
        return self._account(api_key).statistics()

    def calls(self, api_key: str) -> list[CallRecord]:
        return list(self._account(api_key).records)

    def timeline(self, api_key: str) -> list[tuple[float, int]]:
        return list(self._account(api_key).timeline)

    def high_water(self, api_key: str, since: float, until: float) -> int:
        return self._account(api_key).high_water_between(since, until)

    def _account(self, api_key: str) -> Account:
        return self._world.accounts[api_key]

    # the login

    def add_app(self, client_id: str, client_secret: str, redirect_uri: str) -> None:
        self._world.login.apps[client_id] = App(client_id, client_secret, redirect_uri)

    def configure_login(
        self,
        *,
        api_key: str | None = None,
        deny: bool | None = None,
        dc: str | None = None,
        api_endpoint: str | None = None,
        account_name: str | None = None,
    ) -> None:
        _set(
            self._world.login,
            api_key=api_key,
            deny=deny,
            dc=dc,
            api_endpoint=api_endpoint,
            account_name=account_name,
        )

    def tokens(self) -> list[str]:
        """All that were given, in order."""
        return list(self._world.login.tokens)

    # audiences

    def add_audience(self, list_id: str, api_key: str) -> None:
        self._account(api_key)
        self._world.add_audience(list_id, api_key)

    def delete_audience(self, list_id: str) -> None:
        del self._world.audiences[list_id]

    def configure_audience(
        self,
        list_id: str,
        *,
        dialect: Dialect | None = None,
        double_optin: bool | None = None,
        ignore_unknown_fields: bool | None = None,
        name: str | None = None,
    ) -> None:
        _set(
            self._audience(list_id),
            dialect=dialect,
            double_optin=double_optin,
            ignore_unknown_fields=ignore_unknown_fields,
            name=name,
        )

    def add_merge_field(self, list_id: str, field: MergeField) -> None:
        self._audience(list_id).add_field(field)

    def delete_merge_field(self, list_id: str, tag: str) -> None:
        self._audience(list_id).delete_field(tag)

    def delete_tag(self, list_id: str, name: str) -> None:
        audience = self._audience(list_id)
        segment = audience.tags.named(name)
        if segment is None:
            raise KeyError(name)
        audience.tags.delete(segment)
        audience.version += 1

    def tags(self, list_id: str) -> dict[str, int]:
        """Members of any status, by tag."""
        audience = self._audience(list_id)
        return {tag.name: len(audience.tagged(tag.id)) for tag in audience.tags.segments.values()}

    def refuse_velocity(self, list_id: str, addresses: Sequence[str]) -> None:
        self._audience(list_id).hasty = {key_of(address) for address in addresses}

    def status_changes(self, list_id: str) -> list[StatusChange]:
        return self._audience(list_id).changes

    def resubscribed(self, list_id: str) -> int:
        return self._audience(list_id).resubscribed

    def digest(self, list_id: str) -> Digest:
        return digest(self._views(list_id))

    def dump(self, list_id: str) -> Iterator[MemberView]:
        """Not an operation by name: it is streamed."""
        return self._views(list_id)

    def _audience(self, list_id: str) -> Audience:
        return self._world.audiences[list_id]

    def _views(self, list_id: str) -> Iterator[MemberView]:
        audience = self._audience(list_id)
        # a copy of the references, so that calls may go on in between
        return (_view(audience, member) for member in list(audience.members.values()))

    # members

    def member(self, list_id: str, address: str) -> MemberView | None:
        audience = self._audience(list_id)
        member = audience.members.get(key_of(address))
        return None if member is None else _view(audience, member)

    def member_count(self, list_id: str) -> int:
        return len(self._audience(list_id).members)

    def seed(self, list_id: str, members: Sequence[MemberView]) -> None:
        """Put members there as they are, unchecked; an address that is there is replaced."""
        audience, now = self._audience(list_id), self._world.now()
        for view in members:
            email = view.email_address.strip()
            by: Who = "self" if view.unsubscribed_by == "self" else "admin"
            tags = audience.tags.with_names(frozenset(), tuple(view.tags), now)
            shape, values = audience.row(view.merge_fields)
            status = msgspec.convert(view.status, Kept)
            by = by if status == "unsubscribed" else ""
            audience.add(Member(email, status, by, shape, values, tags, now, now))

    def set_status(self, list_id: str, address: str, status: Kept, by: Who = "self") -> None:
        """The person (or an administrator, by hand) did it; a refusal is not possible."""
        audience = self._audience(list_id)
        member = audience.members[key_of(address)]
        audience.set_status(member, status, by, self._world.now(), via="person")

    def delete_permanently(self, list_id: str, address: str) -> None:
        """Also for somebody who isn't a member: the address can't come back."""
        audience = self._audience(list_id)
        member = audience.members.get(key_of(address))
        if member is not None:
            audience.forget(member)
        audience.gone.add(key_of(address))


def _set(thing: object, **values: object) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(thing, name, value)


def _view(audience: Audience, member: Member) -> MemberView:
    fields = audience.merge_fields(member, blanks=False)
    return MemberView(member.email, member.status, fields, audience.tags.names(member.tags), member.by)


def remote(operations: Operations) -> Mapping[str, Callable[[bytes], bytes]]:
    """The operations by name, from JSON to JSON."""
    names = [name for name, _ in inspect.getmembers(operations, inspect.ismethod) if name[0] != "_"]
    return {name: _remote(getattr(operations, name)) for name in names if name != "dump"}


def _remote(operation: Callable[..., Any]) -> Callable[[bytes], bytes]:
    hints = get_type_hints(operation)

    def run(body: bytes) -> bytes:
        arguments = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        decoded = {name: msgspec.json.decode(raw, type=hints[name]) for name, raw in arguments.items()}
        return msgspec.json.encode(operation(**decoded))

    return run
