"""What was learned of an audience by looking: how it wants to be written to."""

from datetime import timedelta
from typing import Final

import msgspec
import redis

from worker.state import keys
from worker.state.scripts import milliseconds

_AGE: Final = timedelta(days=30)


class Manners(msgspec.Struct, frozen=True):
    """How an audience takes batch calls.

    `status_if_new`: it gives new members the status asked for, and leaves others' alone. `tags`: it sets the
    tags of batch members.
    """

    status_if_new: bool
    tags: bool


class Audiences:
    """The ledger of audiences; what is older than 30 days has to be looked at again."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def manners(self, connection: str, audience_id: str) -> Manners | None:
        """What is known; None if nothing is, or nothing lately."""
        stored = self._client.get(keys.audience(connection, audience_id))
        return msgspec.json.decode(str(stored), type=Manners) if stored else None

    def learn(self, connection: str, audience_id: str, manners: Manners) -> None:
        """Remembers what a canary showed."""
        self._client.set(
            keys.audience(connection, audience_id),
            msgspec.json.encode(manners),
            px=milliseconds(_AGE),
        )

    def forget(self, connection: str, audience_id: str) -> None:
        """The audience did something else than what is known of it: look again."""
        self._client.delete(keys.audience(connection, audience_id))

    def forget_all(self, connection: str) -> None:
        """The connection is gone, and with it all that was learned over it."""
        for key in self._client.scan_iter(match=keys.audience(connection, "*"), count=1000):
            self._client.delete(key)
