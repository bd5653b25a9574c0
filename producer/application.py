"""The producer's composition root: what commands and doors need, made when it is first asked for."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import redis

from worker.keyring import Keyring
from worker.settings import Settings
from worker.state import keys
from worker.state.audit import Audit
from worker.state.catalog import Catalog
from worker.state.client import connect
from worker.state.events import Events, EventStream
from worker.state.outbox import Outbox
from worker.state.presence import Presence
from worker.state.runs import Runs
from worker.state.scripts import Bell, Policy, Transitions
from worker.state.slots import Slots
from worker.state.timetable import Timetable
from worker.state.tokens import Tokens

if TYPE_CHECKING:
    from worker.broker import Doorbell
    from worker.store.interface import Objects


class Producer:
    """The ledger, the catalog and the doorbell of one installation.

    Settings are those of the environment, client and doorbell those of their Redis, unless others are given.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        client: "redis.Redis | None" = None,
        doorbell: "Doorbell | None" = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._doorbell = doorbell

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process.

        Raises:
            TellOperator: the environment is not usable.
        """
        return Settings.from_environment() if self._settings is None else self._settings

    @cached_property
    def client(self) -> "redis.Redis":
        """The Redis client, connected by its first command."""
        return connect(self._redis_url) if self._client is None else self._client

    @cached_property
    def catalog(self) -> Catalog:
        """What was applied."""
        return Catalog(self.client)

    @cached_property
    def runs(self) -> Runs:
        """The ledger of runs."""
        return Runs(self.client, self._transitions)

    @cached_property
    def slots(self) -> Slots:
        """The connections' slots."""
        return Slots(self.client, self._transitions)

    @cached_property
    def tokens(self) -> Tokens:
        """The API tokens."""
        return Tokens(self.client)

    @cached_property
    def audit(self) -> Audit:
        """Who changed what."""
        return Audit(self.client)

    @cached_property
    def events(self) -> Events:
        """The events that were taken."""
        return Events(self.client, self.settings.keep)

    @cached_property
    def stream(self) -> EventStream | None:
        """The stream that events are read from; None if no name is set."""
        if self.settings.stream is None:
            return None
        client = connect(self._redis_url, text=False)
        return EventStream(client, self.settings.stream, keep=self.settings.keep)

    @cached_property
    def presence(self) -> Presence:
        """The worker processes that are alive."""
        return Presence(self.client)

    @cached_property
    def clocks(self) -> Presence:
        """The clock processes that are alive."""
        return Presence(self.client, keys.CLOCKS)

    @cached_property
    def timetable(self) -> Timetable:
        """What the clock remembers."""
        return Timetable(self.client, self._transitions)

    @cached_property
    def outbox(self) -> Outbox:
        """What people are to be told of."""
        return Outbox(self.client, self._transitions)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that encrypt at rest; the key file is made on first use.

        Raises:
            TellOperator: the keys are unusable.
        """
        return self.settings.keyring()

    @cached_property
    def objects(self) -> "Objects":
        """The store of staged data and reports.

        Raises:
            TellOperator: the store is not fit for use.
        """
        from worker.store.objects import open_store  # noqa: PLC0415 (slow, and plain commands store nothing)

        return open_store(self.settings.store_url)

    def ring(self, bells: Sequence[Bell]) -> None:
        """Sends a message for each bell; one that is lost is rung again by the workers' sweeper."""
        if bells:
            self.doorbell.ring(bells)

    @cached_property
    def doorbell(self) -> "Doorbell":
        """The way into the queue."""
        from worker.broker import Doorbell, make_broker  # noqa: PLC0415 (plain commands ring for nothing)

        return Doorbell(make_broker(self._redis_url)) if self._doorbell is None else self._doorbell

    @property
    def _redis_url(self) -> str:
        return self.settings.redis_url.get_secret_value()

    @cached_property
    def _transitions(self) -> Transitions:
        return Transitions(self.client, Policy(lease=self.settings.lease, keep=self.settings.keep))
