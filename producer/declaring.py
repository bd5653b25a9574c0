"""Make definitions of what somebody wrote, a file or a request, or say all that is wrong with it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError

from producer.cross_checks import Sections, dangling, unfit_tags
from producer.problems import CatalogProblem, Fault, Problems, TooMany, capital, explain, shown_name
from producer.yaml_tree import Malformed, Node, Plain, plain, tree_of
from worker.errors import UsageError
from worker.exports import channels
from worker.exports.channels import Notification
from worker.exports.declarations import Definitions
from worker.exports.definitions import Connection, Export, Named, Segment
from worker.exports.field_rules import REFERENCE_PREFIXES

Seal = Callable[[str, str], str]
SealFor = Callable[[str, str], str]
Unresolved = Callable[[str, str], str]

SECTIONS: Final = ("connections", "segments", "exports", "notifications")
_SECTION_OF: Final[Mapping[type[Named], str]] = dict(
    zip((Connection, Segment, Export, Notification), SECTIONS, strict=True)
)
_LITERAL_KEY = re.compile(r"[A-Za-z0-9_]{1,128}-[a-z]{2,3}[0-9]{1,3}")

_Definition = TypeVar("_Definition", bound=Named)


class CatalogRefused(UsageError):
    """Definitions with problems, of which nothing was saved; the text is one problem a line."""

    def __init__(self, problems: tuple[CatalogProblem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def no_secret(place: str, _text: str) -> str:
    """What seals nothing: a secret has to be written as a reference.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"Write {place} as a reference, env:NAME or file:PATH.")


def declare(
    sections: Sections,
    problems: Problems,
    *,
    known: Definitions,
    seal: Seal,
    seal_for: SealFor = no_secret,
) -> Definitions:
    """Makes what can be made of the sections, and adds what is wrong with the rest to the problems.

    `seal(connection, key)` seals a literal API key, `seal_for(place, text)` another secret.

    Raises:
        TooMany: there are more problems than anybody reads.
    """
    definitions = _Reader(problems, seal, seal_for).read(sections)
    problems.add(dangling(sections, known))
    problems.add(unfit_tags(definitions, known, sections))
    return definitions


def declare_one(
    kind: type[_Definition], name: str, values: Mapping[str, Any], *, known: Definitions, seal: Seal
) -> _Definition:
    """Makes one definition of JSON values, beside a catalog that its references may lead to.

    Raises:
        CatalogRefused: something is wrong with it; all of it is told.
    """
    problems, section = Problems(), _SECTION_OF[kind]
    definitions = Definitions()
    try:
        sections = {each: {name: tree_of(values)} if each == section else {} for each in SECTIONS}
        definitions = declare(sections, problems, known=known, seal=seal)
    except Malformed as fault:
        problems.add([(0, fault.sentence)])
    except TooMany:
        pass
    if told := problems.told():
        raise CatalogRefused(told)
    made: _Definition = getattr(definitions, section)[name]
    return made


class _Reader:
    """Makes definitions of entries, and collects what is wrong with them."""

    def __init__(self, problems: Problems, seal: Seal, seal_for: SealFor) -> None:
        self._problems = problems
        self._seal = seal
        self._seal_for = seal_for

    def read(self, sections: Mapping[str, Mapping[str, Node]]) -> Definitions:
        return Definitions(
            self._all(Connection, sections["connections"]),
            self._all(Segment, sections["segments"]),
            self._all(Export, sections["exports"]),
            self._all(Notification, sections["notifications"]),
        )

    def _all(self, model: type[_Definition], entries: Mapping[str, Node]) -> dict[str, _Definition]:
        made = {name: self._one(model, name, node) for name, node in entries.items()}
        return {name: one for name, one in made.items() if one is not None}

    def _one(self, model: type[_Definition], name: str, node: Node) -> _Definition | None:
        title = f"{model.__name__.lower()} {shown_name(name)}"
        if not isinstance(node.value, dict):
            self._problems.add([(node.line, f"{capital(title)} is not a mapping; write its keys below it.")])
            return None
        if "name" in node.value:
            told = f"{capital(title)} has a key name; take it out, as the name is what it stands under."
            self._problems.add([(node.value["name"].line, told)])
        values = {key: plain(entry) for key, entry in node.value.items()} | {"name": name}
        if model is Notification:
            return cast("_Definition | None", self._channel(title, name, node, values))
        return self._made(model, title, node, self._sealed(model, values))

    def _channel(self, title: str, name: str, node: Node, values: dict[str, Plain]) -> Notification | None:
        """A channel of its type; of one whose type is not known, no more is said than that."""
        form = channels.form(values.get("type"))
        if form is Notification:
            values = {key: value for key, value in values.items() if key in form.model_fields}
        for field, literal in form.secrets.items():
            text = values.get(field)
            if isinstance(text, str) and not text.startswith(REFERENCE_PREFIXES) and literal.fullmatch(text):
                values[field] = self._seal_for(channels.context(name, field), text)
        return self._made(form, title, node, values)

    def _made(
        self, model: type[_Definition], title: str, node: Node, values: Mapping[str, Plain]
    ) -> _Definition | None:
        try:
            return model.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            self._problems.add(explain(model, title, node, error))
            return None

    def _sealed(self, model: type[Named], values: dict[str, Plain]) -> dict[str, Plain]:
        key = values.get("api_key")
        if model is not Connection or not isinstance(key, str) or not _is_literal(key):
            return values
        return values | {"api_key": self._seal(str(values["name"]), key)}


def _is_literal(key: str) -> bool:
    return not key.startswith(REFERENCE_PREFIXES) and _LITERAL_KEY.fullmatch(key) is not None


def warnings_of(
    connections: Mapping[str, Connection], entries: Mapping[str, Node], unresolved: Unresolved
) -> Iterator[Fault]:
    """Keys that are not known here, and that the workers will need."""
    for name, connection in connections.items():
        if reason := unresolved(name, connection.api_key):
            entry = entries[name].value
            line = entry["api_key"].line if isinstance(entry, dict) else entries[name].line
            yield line, f"The API key of connection {name} is not known here ({reason}); the workers need it."
