"""From a connection's name to calls on its account: credentials, client, a slot for calls without a chunk."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeVar

from worker.credentials import resolve
from worker.errors import RetryLater, Throttled
from worker.exports.definitions import Connection
from worker.jobs.holding import Holding
from worker.keyring import Keyring
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.clients import ClientPool
from worker.state.catalog import Catalog
from worker.state.scripts import Bell
from worker.state.slots import Lease, Slots

T = TypeVar("T")

_WISH: Final = timedelta(seconds=2)
_POLL: Final = timedelta(milliseconds=50)
_PATIENCE: Final = timedelta(seconds=5)
_FIRST_PAUSE: Final = 0.1  # seconds; each further one is twice as long
_DEFINITION_LIVES: Final = 1.0  # seconds: so a removed or changed connection is noticed within a second


class NoSlot(RetryLater):
    """The connection is paused, or all of its slots stay in use: no call was made.

    It is not waited for any longer here, for whoever waits keeps a thread from the work of other connections.
    """


class Accounts:
    """The connections of the catalog, ready to be called."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        keyring: Keyring,
        environ: Mapping[str, str],
        clients: ClientPool,
        slots: Slots,
        holding: Holding,
        ring: Callable[[list[Bell]], None],
    ) -> None:
        self._catalog = catalog
        self._keyring = keyring
        self._environ = environ
        self._clients = clients
        self._slots = slots
        self._holding = holding
        self._ring = ring
        self._keys: dict[str, tuple[float, str, str | None]] = {}

    def client(self, connection: str) -> MailchimpClient:
        """This thread's client of the connection's account.

        Raises:
            StopRun: the connection is gone, or its credentials can't be resolved here.
        """
        return self._clients.get(connection, *self._key(connection))

    def call(self, connection: Connection, run_id: str, make: Callable[[MailchimpClient], T]) -> T:
        """Makes one call that belongs to no chunk, within the connection's limit.

        Raises:
            NoSlot: no slot came free within seconds.
            RetryLater: the call met a transient fault; throttling for seconds.
            StopRun: the call was refused for good, or can't be made.
        """
        pause, until = _FIRST_PAUSE, time.monotonic() + _PATIENCE.total_seconds()
        while True:
            try:
                return self._call_once(connection, run_id, make)
            except Throttled:
                # fewer are made at once from now on: all that was read before need not be read again for it
                if time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
            pause *= 2

    def _call_once(self, connection: Connection, run_id: str, make: Callable[[MailchimpClient], T]) -> T:
        client = self.client(connection.name)
        token = secrets.token_hex(8)
        before, may_be_open, window, throttled = client.calls, False, 0, 0
        try:
            window = self._await_slot(connection, token)
            with self._holding.keep(Lease(connection.name, "", "", token)):
                return make(client)
        except RetryLater as error:
            may_be_open = error.may_be_open
            throttled = window if isinstance(error, Throttled) else 0
            raise
        finally:
            self._ring(
                self._slots.give_back(
                    connection.name,
                    token=token,
                    run_id=run_id,
                    calls=client.calls - before,
                    may_be_open=may_be_open,
                    throttled=throttled,
                )
            )

    def close_thread(self) -> None:
        """Closes this thread's clients; for threads that end."""
        self._clients.close_all()

    def _await_slot(self, connection: Connection, token: str) -> int:
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while True:
            window = self._slots.borrow(
                connection.name, max_connections=connection.max_connections, token=token, patience=_WISH
            )
            if window:
                return window
            if self._slots.state(connection.name).paused:
                raise NoSlot(f"Connection {connection.name} is paused: resume it to let its runs go on.")
            if time.monotonic() > deadline:
                raise NoSlot(f"No slot of connection {connection.name} came free: its calls take long.")
            time.sleep(_POLL.total_seconds())

    def _key(self, connection: str) -> tuple[str, str | None]:
        """The key, and the data centre that came with it if it is an OAuth token."""
        known = self._keys.get(connection)
        if known is None or time.monotonic() - known[0] >= _DEFINITION_LIVES:
            found = self._catalog.connection(connection)
            key = resolve(found.api_key, connection, self._keyring, self._environ)
            known = self._keys[connection] = (time.monotonic(), key, found.data_centre)
        return known[1:]
