"""Who was sent to Mailchimp to agree, and has not come back yet."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

import msgspec
import redis

from worker.state import keys
from worker.state.scripts import milliseconds

LASTS: Final = timedelta(minutes=10)
_STATE_BYTES: Final = 32


class Begun(msgspec.Struct, frozen=True):
    """An authorization under way: who began it, for which connection.

    `draft` is the definition of a connection that is to be added, as JSON; '' for one that is there.
    """

    by: str
    connection: str
    draft: str = ""


class Authorizations:
    """Authorizations under way, each by its state: a secret that comes back with the person.

    Only hashes of states are stored, so that nobody who reads Redis can come back in another's place.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def begin(self, begun: Begun) -> str:
        """Remembers it for ten minutes; gives its state of 256 random bits."""
        state = secrets.token_urlsafe(_STATE_BYTES)
        self._client.set(_key(state), msgspec.json.encode(begun), px=milliseconds(LASTS))
        return state

    def take(self, state: str) -> Begun | None:
        """What was begun with this state, once; None if nothing was, or it is too long ago."""
        # one step, and in the words of servers older than GETDEL
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.get(_key(state))
            pipeline.delete(_key(state))
            stored, _ = pipeline.execute()
        return msgspec.json.decode(stored, type=Begun) if stored else None


def _key(state: str) -> str:
    # whatever a stranger sends as a state is hashed, so it can name no other key
    return keys.authorization(hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest())
