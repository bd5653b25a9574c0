"""Calls the Lua transitions of this folder: one transition a file, its contract on top of it."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

import redis

from worker.state import keys
from worker.state.patience import Patience

BellKind: TypeAlias = Literal["plan", "upload", "finish"]


@dataclass(frozen=True, slots=True)
class Bell:
    """What a transition asks to be rung for: one message of the queue."""

    kind: BellKind
    run_id: str
    chunk: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things live and how much is forgiven.

    `lease`: a holder that does not renew for so long is taken for dead. `ghost_min`, `ghost_max`: bounds
    of how long a call whose end was not seen keeps its slot. `probe`: how long the limit stays
    below the level that was throttled. `keep`: how long runs are remembered.
    """

    lease: timedelta = timedelta(seconds=20)
    ghost_min: timedelta = timedelta(seconds=10)
    ghost_max: timedelta = timedelta(seconds=120)
    probe: timedelta = timedelta(seconds=30)
    keep: timedelta = timedelta(days=30)
    max_crashes: int = 3

    def encoded(self) -> str:
        """The policy as the scripts read it, durations in milliseconds."""
        spans = {name: milliseconds(getattr(self, name)) for name in _SPANS}
        return json.dumps({**spans, "max_crashes": self.max_crashes})


_SPANS = ("lease", "ghost_min", "ghost_max", "probe", "keep")


def milliseconds(span: timedelta) -> int:
    """A duration in whole milliseconds."""
    return round(span / timedelta(milliseconds=1))


class Transitions:
    """The scripts of this folder by name, with the arguments that all of them share.

    With `patience`, those that `insist` wait for a ledger that is away: a worker's do, a command's don't.
    """

    def __init__(
        self, client: "redis.Redis", policy: Policy | None = None, patience: Patience | None = None
    ) -> None:
        self._client = client
        self._patience = patience
        self._policy = (policy or Policy()).encoded()
        self._scripts = {name: client.register_script(text) for name, text in _texts().items()}
        self._now = ""

    def at(self, now_ms: int | None) -> None:
        """Sets the scripts' clock; only tests do, everybody else lives by the server's."""
        self._now = "" if now_ms is None else str(now_ms)

    def call(self, name: str, *args: str | int, insist: bool = False) -> Any:
        """Runs one transition."""
        shared = [self._now, secrets.token_hex(6), self._policy]

        def transition() -> Any:
            return self._scripts[name](keys=[keys.NAMESPACE], args=[*shared, *args])

        return self._patience.insist(transition) if insist and self._patience else transition()

    def ring(self, name: str, *args: str | int, insist: bool = False) -> tuple[Any, list[Bell]]:
        """Runs one transition that may ask for bells to be rung; returns its status and those."""
        status, *flat = self.call(name, *args, insist=insist)
        return status, _bells(flat)


def _bells(flat: Sequence[Any]) -> list[Bell]:
    fields = iter(flat)
    return [Bell(*four) for four in zip(fields, fields, fields, fields, strict=True)]


@cache
def _texts() -> dict[str, str]:
    folder = resources.files("worker.state") / "lua"
    prelude = (folder / "prelude.lua").read_text()
    names = [entry.name.removesuffix(".lua") for entry in folder.iterdir() if entry.name.endswith(".lua")]
    return {name: f"{prelude}\n{(folder / f'{name}.lua').read_text()}" for name in names if name != "prelude"}
