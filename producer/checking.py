"""check: would a connection and the exports over it work? The only producer code that calls Mailchimp."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from producer.application import Producer
from producer.findings import Finding, fail, ok, warn
from producer.wording import counted
from worker import credentials
from worker.errors import RetryLater, SegmentExportError, TellOperator, UsageError
from worker.exports.attributes import MergeField
from worker.exports.definitions import Connection, Export
from worker.exports.wording import close_matches
from worker.mailchimp.address import base_url
from worker.mailchimp.audience import Account
from worker.mailchimp.client import MailchimpClient
from worker.settings import environ

T = TypeVar("T")

# a call ends before its slot would be taken for abandoned
_DEADLINE: Final = timedelta(seconds=15)
_OF_LEASE: Final = 0.75
_PATIENCE: Final = timedelta(seconds=10)
_WISH: Final = timedelta(seconds=2)
_POLL: Final = 0.05
_PAYS: Final = {
    "monthly": "pays monthly",
    "pay_as_you_go": "pays as it goes",
    "forever_free": "on the free plan",
}


def inspect(producer: Producer, connection: Connection) -> Iterator[Finding]:
    """Look at a connection, then at each export over it; what can't be looked at ends it."""
    try:
        key = credentials.look_up(connection.api_key, connection.name, producer.keyring, environ())
    except credentials.Unresolved as fault:
        yield fail(
            f"The API key of {connection.name} is not known here ({fault.reason}): "
            "set it here as in the workers, or check the connection where they run."
        )
        return
    yield ok(f"The API key of {connection.name} is there.")
    try:
        with _client(producer, connection, key) as client:
            yield from _at_mailchimp(producer, _Calls(producer, connection, client), connection)
    except SegmentExportError as error:
        yield fail(_once(error))


class _Calls:
    """Calls to one account, each on a slot of its own, so that the workers' limit holds with us."""

    def __init__(self, producer: Producer, connection: Connection, client: MailchimpClient) -> None:
        self._producer = producer
        self._connection = connection
        self._client = client

    def make(self, call: Callable[[MailchimpClient], T]) -> T:
        """Make one call.

        Raises:
            SegmentExportError: no slot came free, or the call failed.
        """
        token, may_be_open = secrets.token_hex(8), False
        try:
            self._await_slot(token)
            may_be_open = True
            answer = call(self._client)
            may_be_open = False
        except SegmentExportError as error:
            may_be_open = isinstance(error, RetryLater) and error.may_be_open
            raise
        finally:
            bells = self._producer.slots.give_back(
                self._connection.name, token=token, run_id="", calls=0, may_be_open=may_be_open
            )
            self._producer.ring(bells)
        return answer

    def _await_slot(self, token: str) -> None:
        name, most = self._connection.name, self._connection.max_connections
        until = time.monotonic() + _PATIENCE.total_seconds()
        while not self._producer.slots.borrow(name, max_connections=most, token=token, patience=_WISH):
            if time.monotonic() > until:
                raise UsageError(
                    f"All calls that connection {name} may have open are taken, or it cools down: "
                    "check again when its runs are over."
                )
            time.sleep(_POLL)


def _client(producer: Producer, connection: Connection, key: str) -> MailchimpClient:
    settings = producer.settings
    return MailchimpClient(
        base_url=base_url(key, settings.mailchimp_url, data_centre=connection.data_centre),
        api_key=key,
        bearer=connection.data_centre is not None,
        deadline=min(_DEADLINE, settings.lease * _OF_LEASE),
    )


def _at_mailchimp(producer: Producer, calls: _Calls, connection: Connection) -> Iterator[Finding]:
    name = connection.name
    if producer.slots.state(name).paused:
        raise UsageError(f"Connection {name} is paused: `segment-export resume {name}`, then check it again.")
    calls.make(MailchimpClient.ping)
    yield ok("Mailchimp answers and takes the key.")
    yield ok(_account(calls.make(MailchimpClient.account)))
    exports = [export for export in producer.catalog.exports() if export.connection == name]
    if not exports:
        yield warn(f"No export goes over connection {name}: declare one, then check again.")
    for export in exports:
        yield from _export(calls, export)


def _account(account: Account) -> str:
    parts = [f'Account "{account.name}"']
    if account.contacts is not None:
        parts.append(counted(account.contacts, "contact"))
    if account.plan:
        parts.append(_PAYS.get(account.plan, account.plan))
    return f"{', '.join(parts)}."


def _export(calls: _Calls, export: Export) -> Iterator[Finding]:
    try:
        audience = calls.make(lambda client: client.audience(export.audience_id))
        yield ok(
            f'{export.name}: audience {export.audience_id} is "{audience.name}", '
            f"{counted(audience.member_count, 'member')}."
        )
        fields = calls.make(lambda client: client.merge_fields(export.audience_id))
    except (RetryLater, TellOperator):
        raise
    except SegmentExportError as error:
        yield fail(f"{export.name}: {error}")
        return
    faults = list(unfit(export, fields))
    yield from (fail(f"{export.name}: {fault}") for fault in faults)
    new = sum(tag not in {field.tag for field in fields} for tag in export.attributes)
    if not faults and new:
        yield ok(f"{export.name}: {counted(new, 'merge field')} will be made by its first run.")
    if not faults:
        yield ok(f"{export.name}: the merge fields it fills ({len(export.attributes)}) fit.")


def unfit(export: Export, fields: Sequence[MergeField]) -> Iterator[str]:
    """What keeps an export from being planned: merge fields missing, of another form, or required."""
    known = {field.tag: field for field in fields}
    for tag, columns in export.attributes.items():
        if tag not in known and export.create_merge_fields:
            continue
        if tag not in known:
            remedy = close_matches(tag, known) or ": make it in Mailchimp, or take it out of attributes."
            yield f"the audience has no merge field {tag}{remedy}"
        elif (known[tag].type == "address") == isinstance(columns, str):
            form = "columns for addr1, city, state and zip" if isinstance(columns, str) else "one column"
            yield f"merge field {tag} is of type {known[tag].type}: give it {form}."
    for field in fields:
        if field.required and field.tag not in export.attributes:
            yield f"the audience requires merge field {field.tag}: map it in attributes, or make it optional."


def _once(error: SegmentExportError) -> str:
    """What went wrong; that the workers would call again is not true here."""
    if isinstance(error, RetryLater):
        return f"{str(error).partition(': ')[0]}: check again in a moment."
    return str(error)
