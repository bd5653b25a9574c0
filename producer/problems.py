"""What is wrong with a configuration file, in sentences of ours that name the file and the line."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from producer.yaml_tree import Node
from worker.exports.definitions import AddressColumns, Consent, Definition, Guard, Named
from worker.exports.field_rules import PREDICATE
from worker.exports.wording import close_matches

_SHOWN_LENGTH: Final = 60
# an address, or what may be an API key in the wrong place: not for a terminal or a log
_PRIVATE_LOOKS = re.compile(r"@|[0-9a-f]{24}|[0-9A-Za-z]{16}-[a-z]{2,3}[0-9]{1,3}$")
# a name that is wrong has just been told
_NOT_REPEATED = frozenset({"api_key", "consent", "name", "url", "secret", "password", "user", "sender", "to"})
_FORMS = frozenset({"column", "address", "[key]"})
# whether a name that is referred to exists is asked elsewhere, and answered better
_REFERENCES = frozenset({"connection", "segments"})
_ATTRIBUTE_RULE = (
    "the name of a column, or the columns of an address as {addr1: …, city: …, state: …, zip: …}"
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")

Fault: TypeAlias = tuple[int, str]
"""A line, 0 for the file as a whole, and the sentence."""


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """A problem or warning; line 0 is the file as a whole, and without a file it is of a request."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.sentence}" if place else self.sentence


class TooMany(Exception):
    """More problems than anybody reads at once."""


class Problems:
    """Collects problems up to a limit, because a hostile file could have a hundred thousand of them."""

    LIMIT: Final = 200

    def __init__(self, file: str = "") -> None:
        self._file = file
        self._faults: set[Fault] = set()

    def add(self, faults: Iterable[Fault]) -> None:
        """Take faults in, each once.

        Raises:
            TooMany: the limit is passed; look no further.
        """
        for fault in faults:
            self._faults.add(fault)
            if len(self._faults) > self.LIMIT:
                raise TooMany

    def told(self) -> tuple[CatalogProblem, ...]:
        """The problems, by line."""
        found = [CatalogProblem(self._file, *fault) for fault in sorted(self._faults)]
        if len(found) > self.LIMIT:
            more = f"There are more problems than the {self.LIMIT} told here; mend these first."
            found[self.LIMIT :] = [CatalogProblem(self._file, 0, more)]
        return tuple(found)


def explain(model: type[Named], title: str, node: Node, error: ValidationError) -> Iterator[Fault]:
    """What is wrong with a definition that pydantic refused; `title` is its kind and name."""
    for fault in error.errors(include_url=False):
        if sentence := _sentence(model, title, fault):
            yield _line(node, fault["loc"]), sentence


def unknown_key(owner: str, key: str, known: Sequence[str]) -> str:
    """The sentence about a key that means nothing where it stands."""
    remedy = close_matches(key, known) or f"; the keys known here are {', '.join(known)}."
    return f"{owner} has an unknown key {quoted(key)}{remedy}"


def quoted(text: str) -> str:
    """Text in quotes on one line, cut where it is long, left out where it may be private."""
    if _PRIVATE_LOOKS.search(text):
        return "(not shown)"
    return json.dumps(text[:_SHOWN_LENGTH], ensure_ascii=not text.isprintable())


def shown_name(name: str) -> str:
    """A name as it is, or in quotes where it is none."""
    return name if _PLAIN_NAME.fullmatch(name) and not _PRIVATE_LOOKS.search(name) else quoted(name)


def capital(title: str) -> str:
    """A kind and name at the beginning of a sentence."""
    return title[:1].upper() + title[1:]


def _sentence(model: type[Named], title: str, fault: Mapping[str, Any]) -> str:
    path = _path(fault["loc"])
    match fault["type"]:
        case "default_factory_not_called":
            return ""
        case "string_pattern_mismatch" if path[0] in _REFERENCES:
            return ""
        case "missing":
            return f"{_owner(path, title)} has no {path[-1]}; write {_rule(model, path)}."
        case "extra_forbidden":
            return unknown_key(_owner(path, title), path[-1], _keys(model, path))
        case kind if kind == PREDICATE:
            return f"{_subject(path, title)} {fault['msg']}."
    return f"{_subject(path, title)} {_state(path, fault['input'])}; write {_rule(model, path)}."


def _path(loc: Sequence[str | int]) -> list[str]:
    """Where in the definition, without positions in lists and without the names of alternatives."""
    steps = [step for step in loc if isinstance(step, str)]
    return steps[:2] + [step for step in steps[2:] if step not in _FORMS]


def _owner(path: Sequence[str], title: str) -> str:
    return _subject(path[:-1], title) if path[1:] else capital(title)


def _subject(path: Sequence[str], title: str) -> str:
    return f"{'.'.join(map(shown_name, path))} of {title}"


def _state(path: Sequence[str], value: object) -> str:
    if value in (None, "", [], {}):
        return "is empty"
    if isinstance(value, dict | list):
        return f"is a {'mapping' if isinstance(value, dict) else 'list'}"
    if path[0] in _NOT_REPEATED or _PRIVATE_LOOKS.search(str(value)):
        return "can't be used"
    if isinstance(value, str) and len(value) > _SHOWN_LENGTH:
        return f"is {len(value)} characters long"
    return f"is {quoted(value) if isinstance(value, str) else json.dumps(value)}"


def _home(model: type[Named], path: Sequence[str]) -> type[Definition]:
    """The model that the last step of the path is a field of."""
    match path:
        case ["consent", _]:
            return Consent
        case ["guard", _]:
            return Guard
        case ["attributes", _, _]:
            return AddressColumns
    return model


def _keys(model: type[Named], path: Sequence[str]) -> list[str]:
    return [key for key in _home(model, path).model_fields if key != "name"]


def _rule(model: type[Named], path: Sequence[str]) -> str:
    if path[0] == "attributes" and len(path) == len(("attributes", "TAG")):
        return _ATTRIBUTE_RULE
    return _home(model, path).model_fields[path[-1]].description or "another value"


def _line(node: Node, loc: Sequence[str | int]) -> int:
    """The line of the last step that stands in the file."""
    for step in loc:
        match node.value, step:
            case dict(entries), str(key) if key in entries:
                node = entries[key]
            case list(items), int(position) if position < len(items):
                node = items[position]
    return node.line
