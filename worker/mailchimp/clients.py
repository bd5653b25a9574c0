"""Clients kept from call to call: one for each thread and connection."""

import ssl
import threading
from collections import OrderedDict
from datetime import timedelta
from typing import Final, NamedTuple

from worker.mailchimp.address import base_url
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.transport import DEADLINE, DeadlineTransport

# each may hold a socket open, and an installation may have thousands of connections
_KEPT_PER_THREAD: Final = 16


class _Kept(NamedTuple):
    credential: tuple[str, str | None]
    client: MailchimpClient


class _Shelf(threading.local):
    """What one thread keeps, the longest unused first."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, _Kept] = OrderedDict()


class ClientPool:
    """Gives each thread its own client of a connection, with the TCP connection still open.

    Threads never share a client: one interrupted in the middle of a call would block the others.
    """

    def __init__(
        self,
        *,
        deadline: timedelta = DEADLINE,
        override: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._deadline = deadline
        self._override = override
        self._context = context
        self._shelf = _Shelf()

    def get(self, connection: str, api_key: str, data_centre: str | None = None) -> MailchimpClient:
        """Give this thread's client of a connection; a new one when its key has changed.

        With a data centre of its own the key is an OAuth token.

        Raises:
            StopRun: when no data centre is known.
            TellOperator: when the base URL set by the operator can't be called.
        """
        credential = (api_key, data_centre)
        kept = self._shelf.kept.get(connection)
        if kept is None or kept.credential != credential:
            self._drop(connection)
            kept = self._shelf.kept[connection] = _Kept(credential, self._made(*credential))
        self._shelf.kept.move_to_end(connection)
        if len(self._shelf.kept) > _KEPT_PER_THREAD:
            self._drop(next(iter(self._shelf.kept)))
        return kept.client

    def close_all(self) -> None:
        """Close the clients of this thread."""
        for connection in list(self._shelf.kept):
            self._drop(connection)

    def _made(self, api_key: str, data_centre: str | None) -> MailchimpClient:
        return MailchimpClient(
            base_url=base_url(api_key, self._override, data_centre=data_centre),
            api_key=api_key,
            bearer=data_centre is not None,
            deadline=self._deadline,
            transport=DeadlineTransport(deadline=self._deadline, context=self._context),
        )

    def _drop(self, connection: str) -> None:
        kept = self._shelf.kept.pop(connection, None)
        if kept is not None:
            kept.client.close()
