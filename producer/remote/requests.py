"""An operation's arguments as a request."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from string import Formatter
from typing import Any, Final

import msgspec

from producer.remote.calls import Call
from worker.credentials import ENCRYPTED, REFERENCES
from worker.errors import NotThere, UsageError

JSON: Final = "application/json"
YAML: Final = "application/yaml"

_BASE: Final = "/v1"
_SAFE: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_DEEPEST: Final = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `content` is its body, of this type."""

    method: str
    path: str
    query: Mapping[str, str]
    content: bytes | None = None
    media_type: str = JSON


def arguments_of(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of an operation by their names, but for the desk; defaults are filled in."""
    bound = signature(function).bind(None, *args, **kwargs)
    bound.apply_defaults()
    _, *names = bound.arguments
    return {name: bound.arguments[name] for name in names}


def request_of(call: Call, arguments: Mapping[str, Any]) -> Asked:
    """The request for an operation with these arguments.

    Raises:
        NotThere: one of them can't be the name of anything.
        UsageError: a value stands where its name is given already.
    """
    words = {word for _, word, _, _ in Formatter().parse(call.path) if word}
    path = _BASE + call.path.format(**{word: _name(arguments[word]) for word in words})
    rest = {name: value for name, value in arguments.items() if name not in words}
    if call.method in {"GET", "DELETE"}:
        return Asked(call.method, path, _query(rest))
    query = _query({name: rest.pop(name) for name in call.query})
    values = rest.pop(call.spread, {})
    if both := rest.keys() & dict(values).keys():
        raise UsageError(f"The key {min(both)} can't be given as a value: take it out.")
    body = {**rest, **values}
    return Asked(call.method, path, query, msgspec.json.encode(body) if rest or call.spread else None)


def holds_key(value: Any, depth: int = 0) -> bool:
    """Whether a literal API key stands anywhere in JSON values."""
    if depth > _DEEPEST:
        return True
    if isinstance(value, Mapping):
        if _is_literal(value.get("api_key")):
            return True
        return any(holds_key(each, depth + 1) for each in value.values())
    return isinstance(value, list) and any(holds_key(each, depth + 1) for each in value)


def _is_literal(key: Any) -> bool:
    return isinstance(key, str) and bool(key) and not key.startswith((*REFERENCES, ENCRYPTED))


def _name(name: str) -> str:
    """A name as a step of a path; what can't be one is sent nowhere."""
    if not _SAFE.fullmatch(name):
        raise NotThere(f"There is nothing that is called {name!r:.80}: correct the name.")
    return name


def _query(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in values.items() if value not in (None, "")}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
