"""Who changed what, and when: a stream of Redis that forgets its oldest entries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from worker.state import keys

CAP: Final = 100_000
_LOOK: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `before` and `after` are JSON, '' where there was or is nothing."""

    id: str
    at: datetime
    who: str
    role: str
    what: str
    on: str
    before: str
    after: str


class Audit:
    """The audit log."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def add(
        self,
        *,
        who: str,
        role: str,
        what: str,
        on: str,
        before: str = "",
        after: str = "",
        within: "redis.client.Pipeline | None" = None,
    ) -> None:
        """Adds an entry, as a part of a transaction if one is given."""
        fields: dict[Any, Any] = {"who": who, "role": role, "what": what, "on": on}
        fields |= {name: text for name, text in (("before", before), ("after", after)) if text}
        (within or self._client).xadd(keys.AUDIT, fields, maxlen=CAP, approximate=True)

    def newest(
        self, *, before: str = "", most: int = 50, wanted: Callable[[Entry], bool] | None = None
    ) -> list[Entry]:
        """The newest entries first, or those that are older than the entry of this id."""
        found: list[Entry] = []
        for entry in self._backwards(before):
            if wanted is None or wanted(entry):
                found.append(entry)
            if len(found) == most:
                break
        return found

    def _backwards(self, before: str) -> Iterator[Entry]:
        while True:
            # servers older than 6.2 know no exclusive range, so the one before is read once more
            rows = cast("list[Any]", self._client.xrevrange(keys.AUDIT, max=before or "+", count=_LOOK))
            news = [_entry(name, fields) for name, fields in rows if name != before]
            if not news:
                return
            yield from news
            before = news[-1].id


def _entry(name: str, fields: dict[str, str]) -> Entry:
    at = datetime.fromtimestamp(int(name.partition("-")[0]) / 1000, UTC)
    words = {key: fields.get(key, "") for key in ("who", "role", "what", "on", "before", "after")}
    return Entry(name, at, **words)
