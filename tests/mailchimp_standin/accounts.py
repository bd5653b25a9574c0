"""Accounts: who may call, how many calls they have open, and what they called."""

import time
from collections import Counter, deque
from collections.abc import Iterator

from .reports import AccountStatistics, CallRecord

LIMIT = 10
KEPT = 100_000


class Account:
    """One Mailchimp account, with its own limit of simultaneous connections.

    `others` of them are taken by other integrations. `bare` answers 429 without a body. `linger`: a
    call whose client went away is worked on, and counts as open, until its latency has passed.
    """

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.name = "Stand-in"
        self.plan = "monthly"
        self.revoked = False
        self.limit = LIMIT
        self.others = 0
        self.bare = False
        self.linger = True
        self.open = 0
        self.forget_calls()

    def forget_calls(self) -> None:
        """Start the statistics anew; calls that are open stay open."""
        self.high_water = self.open
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.records: deque[CallRecord] = deque(maxlen=KEPT)
        self.timeline: deque[tuple[float, int]] = deque([(time.time(), self.open)], maxlen=KEPT)

    def enter(self) -> bool:
        """A call arrives; tells whether it is within the limit. Refused ones count until answered."""
        self.open += 1
        self.high_water = max(self.high_water, self.open)
        self.timeline.append((time.time(), self.open))
        return self.open + self.others <= self.limit

    def leave(self) -> None:
        self.open -= 1
        self.timeline.append((time.time(), self.open))

    def record(self, record: CallRecord) -> None:
        self.calls[record.endpoint] += 1
        self.statuses[record.status] += 1
        self.records.append(record)

    def high_water_between(self, since: float, until: float) -> int:
        """The most calls open at once within a span, what was open at its beginning included."""
        return max(self._within(since, until), default=0)

    def _within(self, since: float, until: float) -> Iterator[int]:
        before = 0
        for at, count in self.timeline:
            if at > until:
                break
            if at >= since:
                yield count
            else:
                before = count
        yield before

    def statistics(self) -> AccountStatistics:
        return AccountStatistics(self.open, self.high_water, dict(self.calls), dict(self.statuses))
