"""The rules of the slots of one connection, written a second time: plainly, in Python, without Redis.

What is chosen freely (which waiting chunk is granted next, and its token) is taken over from the ledger, if
the rules allow it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["ready", "granted", "running", "done", "failed"]

LEASE: Final = 20_000
GHOST: Final = (10_000, 120_000)
CRASHES: Final = 3


@dataclass
class Chunk:
    """A chunk: since when it may be sent, who holds it until when, since when it is sent."""

    run: str
    state: State = "ready"
    not_before: int = 0
    token: str = ""
    until: int = 0
    began: int = 0
    crashes: int = 0


@dataclass
class Rules:
    """A connection with at most `most` calls open at once."""

    most: int
    now: int
    chunks: dict[str, Chunk] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    """Slots without a chunk, by token: until when. They are borrowed, or calls whose end was not seen."""
    ended: dict[str, int] = field(default_factory=dict)
    """When calls were said to have ended, by token."""
    slowest: list[int] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    paused: bool = False

    def taken(self) -> int:
        """How many slots are taken."""
        return len(self.calls) + sum(chunk.state in {"granted", "running"} for chunk in self.chunks.values())

    def granted(self, chosen: Sequence[tuple[str, str]], *, swept: bool = True) -> None:
        """Slots go to chunks that wait: to as many as there are, and to none that may not be sent yet.

        `swept`: what has expired was taken back before.
        """
        if swept:
            self._sweep()
        free = 0 if self.paused else max(0, self.most - self.taken())
        due = {name for name, chunk in self.chunks.items() if self._is_due(chunk)}
        assert len(chosen) == min(free, len(due)), "too many slots are granted, or too few"
        assert {name for name, _ in chosen} <= due, "a chunk is granted that does not wait"
        for name, token in chosen:
            chunk = self.chunks[name]
            chunk.state, chunk.token, chunk.until = "granted", token, self.now + LEASE

    def begins(self, name: str, token: str) -> bool:
        """Whether a holder may make its call now."""
        chunk = self.chunks[name]
        if chunk.token != token or chunk.state != "granted" or chunk.until <= self.now:
            return False
        if self.paused:
            self._wait(chunk, self.now)
            return False
        chunk.state, chunk.began, chunk.until = "running", self.now, self.now + LEASE
        return True

    def settles(self, name: str, token: str, took: int) -> bool:
        """Whether a delivery counts."""
        held = self._ends(name, token)
        if took > 0:
            self.slowest = [took, *self.slowest][:128]
        if held:
            self.chunks[name].state, self.chunks[name].token = "done", ""
        return held

    def parks(self, name: str, token: str, delay: int, *, still_open_since: int | None) -> bool:
        """Whether a call that did not deliver puts its chunk back."""
        held = self._ends(name, token)
        if still_open_since is not None:
            self._haunt(token, self.now + max(0, self._span() - (self.now - still_open_since)))
        if held:
            self._wait(self.chunks[name], self.now + delay)
        return held

    def renews(self, name: str, token: str) -> None:
        """A holder lives; whose chunk was taken away has a call open all the same, unless it ended lately."""
        chunk = self.chunks[name]
        if chunk.token == token and chunk.state in {"granted", "running"}:
            chunk.until = self.now + LEASE
        elif self.now - self.ended.get(token, -2 * LEASE) >= 2 * LEASE:
            self._haunt(token, self.now + LEASE)

    def stops(self, run: str) -> None:
        """No call of this run begins any more; those that are open are awaited."""
        self.stopped.add(run)
        for chunk in self.chunks.values():
            if chunk.run == run and chunk.state in {"ready", "granted"}:
                chunk.state, chunk.token = "failed", ""

    def _sweep(self) -> None:
        for token in [token for token, until in self.calls.items() if until <= self.now]:
            del self.calls[token]
        for chunk in self.chunks.values():
            if chunk.state in {"granted", "running"} and chunk.until <= self.now:
                self._take_back(chunk)

    def _take_back(self, chunk: Chunk) -> None:
        if chunk.state == "running":
            chunk.crashes += 1
            self._haunt(chunk.token, chunk.began + self._span())
        if chunk.crashes >= CRASHES:
            chunk.state, chunk.token = "failed", ""
        else:
            self._wait(chunk, self.now)

    def _ends(self, name: str, token: str) -> bool:
        self.calls.pop(token, None)
        self.ended[token] = self.now
        chunk = self.chunks[name]
        return chunk.token == token and chunk.state in {"granted", "running"}

    def _wait(self, chunk: Chunk, not_before: int) -> None:
        chunk.state = "failed" if chunk.run in self.stopped else "ready"
        chunk.token, chunk.not_before = "", not_before

    def _is_due(self, chunk: Chunk) -> bool:
        return chunk.state == "ready" and chunk.not_before <= self.now

    def _span(self) -> int:
        least, most = GHOST
        return min(most, max(least, 2 * max(self.slowest, default=0)))

    def _haunt(self, token: str, until: int) -> None:
        if until > self.now:
            self.calls[token] = until
