"""What the catalog holds that is encrypted, as it is stored, whatever version stored it."""

from collections.abc import Iterator
from typing import Final, NamedTuple, cast

import redis

from worker.state import keys
from worker.state.client import read_hash

_PLACES: Final = (keys.CATALOG_CONNECTIONS, keys.CATALOG_NOTIFICATIONS)


class StoredText(NamedTuple):
    """A definition as it is stored."""

    place: str
    name: str
    text: str

    @property
    def is_connection(self) -> bool:
        """Whether it is of a connection; else it is of a notification channel."""
        return self.place == keys.CATALOG_CONNECTIONS


class StoredTexts:
    """Definitions that may hold something encrypted."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def all(self) -> Iterator[StoredText]:
        """Each of them."""
        for place in _PLACES:
            for name, text in sorted(read_hash(self._client, place).items()):
                yield StoredText(place, name, text)

    def again(self, stored: StoredText) -> StoredText | None:
        """What stands there now; None if it was removed."""
        text = cast("str | None", self._client.hget(stored.place, stored.name))
        return None if text is None else stored._replace(text=text)

    def swap(self, stored: StoredText, text: str) -> bool:
        """Put a text in the place of what was read; False if something else stands there by now."""
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.watch(stored.place)  # type: ignore[no-untyped-call]
            if pipeline.hget(stored.place, stored.name) != stored.text:
                return False
            pipeline.multi()
            pipeline.hset(stored.place, stored.name, text)
            try:
                pipeline.execute()
            except redis.WatchError:
                return False
        return True
