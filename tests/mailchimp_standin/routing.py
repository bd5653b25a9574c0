"""A call, and how its path finds who answers it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from .accounts import Account
from .audience import Audience
from .problems import Answer, FieldError, invalid
from .world import World

NARROWING = ("fields", "exclude_fields")
PAGING = (*NARROWING, "count", "offset")
PAGE = 1000


class Call(msgspec.Struct):
    """One call, read to its end. Handlers are plain functions of it: nothing happens in between."""

    world: World
    account: Account
    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: float

    @property
    def audience(self) -> Audience:
        return self.world.audience(self.params["list_id"], self.account)

    def flag(self, name: str) -> bool:
        """A boolean of the query."""
        text = self.query.get(name, "false")
        if text not in ("true", "false"):
            raise invalid("Schema describes boolean.", FieldError(name, "Schema describes boolean."))
        return text == "true"

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A number of the query, from 0."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or (most is not None and int(text) > most):
            raise invalid("Schema describes number.", FieldError(name, f"Schema describes 0 to {most}."))
        return int(text)

    def moment(self, name: str) -> int | None:
        """A time of the query, in whole seconds since 1970."""
        text = self.query.get(name)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise invalid(
                "Schema describes ISO 8601.", FieldError(name, "Schema describes ISO 8601.")
            ) from None
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())

    def page(self) -> slice:
        offset = self.number("offset", 0)
        return slice(offset, offset + self.number("count", 10, PAGE))


Handler = Callable[[Call], Answer]


class Route:
    """`POST /lists/{list_id}` and who answers it; query parameters other than these are a 400."""

    def __init__(self, method: str, template: str, handler: Handler, query: tuple[str, ...] = ()) -> None:
        self.method = method
        self.endpoint = f"{method} {template}"
        self.handler = handler
        self.query = frozenset(query)
        self.match = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)).fullmatch

    def answer(self, call: Call) -> Answer:
        unknown = sorted(call.query.keys() - self.query)
        if unknown:
            raise invalid("Unknown query parameter.", *(FieldError(name, "Unknown.") for name in unknown))
        return self.handler(call)
