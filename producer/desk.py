"""A desk: who asks, and of which installation. Every operation has one as its first argument.

A command does not know whether its desk is in front of the installation or far away: it asks an operation,
and the operation asks the desk to carry it out.
"""

import getpass
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from producer.access import RULES, Caller, Role, check
from producer.application import Producer

if TYPE_CHECKING:
    import redis

P = ParamSpec("P")
T = TypeVar("T")

Shown = Mapping[str, Any]


class AnyDesk(Protocol):
    """What an operation can be asked of."""

    def carry_out(
        self, function: Callable[Concatenate["Desk", P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Does what an operation does, and gives back what it gives back."""

    def idle(self) -> bool:
        """Whether no worker is known to be there, as far as that can be told from here."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A caller in front of an installation."""

    producer: Producer
    caller: Caller

    @classmethod
    def local(cls, producer: Producer) -> "Desk":
        """The desk of whoever sits at this machine: an administrator."""
        return cls(producer, Caller(_user(), Role.ADMINISTRATOR, here=True))

    def carry_out(
        self, function: Callable[Concatenate["Desk", P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Does it, if the rule of its name lets the caller pass.

        Raises:
            Forbidden: the caller may not.
        """
        check(self.caller, function.__name__)
        return function(self, *args, **kwargs)

    def idle(self) -> bool:
        """Whether no worker has been seen lately."""
        return not self.producer.presence.alive()

    def record(
        self,
        what: str,
        on: str,
        *,
        before: Shown | None = None,
        after: Shown | None = None,
        within: "redis.client.Pipeline | None" = None,
    ) -> None:
        """Writes an entry of the audit log, in the transaction that makes the change if one is given.

        `on` is what was changed, as `export weekly`; `before` and `after` hold no secrets and nobody's data.
        """
        self.producer.audit.add(
            who=self.caller.name,
            role=self.caller.role,
            what=what,
            on=on,
            before=_json(before),
            after=_json(after),
            within=within,
        )


def operation(function: Callable[Concatenate[Desk, P], T]) -> Callable[Concatenate[AnyDesk, P], T]:
    """Makes a function an operation: any desk carries it out, and the rule of its name must be there."""
    name = function.__name__
    if name not in RULES:
        raise TypeError(f"The operation {name} has no rule in producer/access.py: say who may do it.")

    @wraps(function)
    def asked(desk: AnyDesk, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return desk.carry_out(function, *args, **kwargs)

    return asked


def _json(shown: Shown | None) -> str:
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")) if shown is not None else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "local"
