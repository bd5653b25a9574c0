"""Who is in the audience and not plainly subscribed: read in pages, remembered, read on from there."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import structlog

from worker.errors import TellOperator, Unavailable
from worker.exports.definitions import Connection
from worker.exports.statuses import OTHERS, SUBSCRIBED, status_frame
from worker.jobs.accounts import Accounts
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.members import MembersPage
from worker.store.audiences import STATUSES, Remembered, load_audience, save_audience
from worker.store.objects import Objects, Sealer

log = structlog.get_logger()

_PAGE: Final = 1000
_MARGIN: Final = 50
"""Whoever leaves a list while it is read lets all behind them move up: so many are read twice."""
_OVERLAP: Final = timedelta(minutes=10)
"""Clocks differ, and a list that changes while it is read may skip members: read some again."""
_WHOLE_EVERY: Final = timedelta(days=7)
"""Somebody who came back can't be told from the many subscribers that our own uploads touch."""


class Consent:
    """What is known of the consent of an audience's members."""

    def __init__(self, *, accounts: Accounts, objects: Objects, sealer: Sealer) -> None:
        self._accounts = accounts
        self._objects = objects
        self._sealer = sealer

    def statuses(
        self,
        connection: Connection,
        audience_id: str,
        run_id: str,
        *,
        everybody: bool = False,
        remember: bool = True,
    ) -> pl.DataFrame:
        """Whose status is not `subscribed`: `address_hash` and `status`, each address once.

        `everybody` reads all members, every time: for an audience whose batch call wants a status for all,
        where somebody overlooked would be sent as if they were new.

        Raises:
            RetryLater: Mailchimp can't be asked for the moment; nobody is taken for unknown then.
            StopRun: the audience can't be read at all.
        """
        now = datetime.now(UTC)
        known = self._remembered(connection.name, audience_id)
        if known is not None and (everybody or now - known.whole_at > _WHOLE_EVERY):
            known = None
        changed = self._others(connection, audience_id, run_id, known.read_at - _OVERLAP if known else None)
        rows = _newer(known.rows, changed) if known else changed
        subscribed = pl.DataFrame(schema=STATUSES)
        if everybody:
            listed = self._read(connection, audience_id, run_id, SUBSCRIBED, None).unique("address_hash")
            # whoever left while they were read is in neither list
            rows = _newer(rows, self._others(connection, audience_id, run_id, now - _OVERLAP))
            subscribed = listed.join(rows, on="address_hash", how="anti")
        if remember:
            remembered = Remembered(rows, now, known.whole_at if known else now)
            save_audience(self._objects, self._sealer, connection.name, audience_id, remembered)
        log.info("audience.read", whole=known is None, changed=changed.height, known=rows.height)
        return pl.concat([rows, subscribed])

    def _others(
        self, connection: Connection, audience_id: str, run_id: str, since: datetime | None
    ) -> pl.DataFrame:
        """Who is not subscribed; whoever is listed twice has changed in between: the later listing counts."""
        with ThreadPoolExecutor(len(OTHERS), "consent") as pool:
            readings = [
                pool.submit(self._read, connection, audience_id, run_id, status, since) for status in OTHERS
            ]
        pages = [pl.DataFrame(schema=STATUSES), *(reading.result() for reading in readings)]
        return pl.concat(pages).unique("address_hash", keep="last", maintain_order=True)

    def _remembered(self, connection: str, audience_id: str) -> Remembered | None:
        try:
            return load_audience(self._objects, self._sealer, connection, audience_id)
        except TellOperator as error:
            log.warning("audience.unreadable", reason=str(error))
            return None

    def _read(
        self, connection: Connection, audience_id: str, run_id: str, status: str, since: datetime | None
    ) -> pl.DataFrame:
        try:
            pages = self._pages(connection, audience_id, run_id, status, since)
            return pl.concat([pl.DataFrame(schema=STATUSES), *pages])
        finally:
            if threading.current_thread().name.startswith("consent"):
                self._accounts.close_thread()

    def _pages(
        self, connection: Connection, audience_id: str, run_id: str, status: str, since: datetime | None
    ) -> Iterator[pl.DataFrame]:
        offset, total = 0, 1
        while offset < total:

            def ask(client: MailchimpClient, at: int = offset) -> MembersPage:
                return client.members(audience_id, status=status, since=since, offset=at, count=_PAGE)

            page = self._accounts.call(connection, run_id, ask)
            yield status_frame((email, status) for email, _ in page.members)
            read, total = offset + len(page.members), page.total
            if not page.members and read < total:
                raise Unavailable("Mailchimp's list of members ends before its own count: it is read again.")
            offset = max(read - _MARGIN, offset + 1) if read < total else read


def _newer(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What is known after a second reading; it counts where both have somebody."""
    return pl.concat([before.join(after, on="address_hash", how="anti"), after])
