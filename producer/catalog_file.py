"""Read a configuration file: all that it declares, or all that is wrong with it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from producer.cross_checks import Sections, dangling, unfit_tags
from producer.problems import (
    CatalogProblem,
    Fault,
    Problems,
    TooMany,
    capital,
    explain,
    shown_name,
    unknown_key,
)
from producer.yaml_tree import Malformed, Node, Plain, plain, read_tree
from worker.exports.definitions import Connection, Export, Named, Segment
from worker.exports.field_rules import REFERENCE_PREFIXES
from worker.state.catalog import Definitions

SIZE_LIMIT: Final = 1024 * 1024

Seal = Callable[[str, str], str]
Unresolved = Callable[[str, str], str]

_SECTIONS: Final = ("connections", "segments", "exports")
_LITERAL_KEY = re.compile(r"[A-Za-z0-9_]{1,128}-[a-z]{2,3}[0-9]{1,3}")

_Definition = TypeVar("_Definition", bound=Named)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file declares; with any problem it is incomplete and must not be saved."""

    definitions: Definitions
    problems: tuple[CatalogProblem, ...] = ()
    warnings: tuple[CatalogProblem, ...] = ()


def _never(_connection: str, _reference: str) -> str:
    return ""


def load(path: Path, *, known: Definitions, seal: Seal, unresolved: Unresolved = _never) -> Declared:
    """Read and check a file as a whole.

    `known` is the catalog that references may lead to, besides the file itself. `seal(connection, key)` turns
    a literal API key into its `encrypted:` reference. `unresolved(connection, reference)` says why a
    reference leads to no key here, if so.
    """
    problems, warnings = Problems(str(path)), Problems(str(path))
    definitions = Definitions()
    try:
        sections = _sections(path, problems)
        definitions = _Reader(problems, seal).read(sections)
        problems.add(dangling(sections, known))
        problems.add(unfit_tags(definitions, known, sections))
        warnings.add(_warnings(definitions.connections, sections["connections"], unresolved))
    except Malformed as fault:
        problems.add([(fault.line, fault.sentence)])
    except TooMany:
        pass
    return Declared(definitions, problems.told(), warnings.told())


def _sections(path: Path, problems: Problems) -> Sections:
    root, repeated = read_tree(_text(path))
    problems.add((fault.line, fault.sentence) for fault in repeated)
    if root.value is None:
        raise Malformed(0, f"The file declares nothing; write {', '.join(_SECTIONS)} into it.")
    if not isinstance(root.value, dict):
        raise Malformed(root.line, f"The file is not a mapping; its keys are {', '.join(_SECTIONS)}.")
    unknown = {key: node for key, node in root.value.items() if key not in _SECTIONS}
    problems.add((node.line, unknown_key("The file", key, _SECTIONS)) for key, node in unknown.items())
    return {section: _entries(section, root.value.get(section), problems) for section in _SECTIONS}


def _entries(section: str, node: Node | None, problems: Problems) -> dict[str, Node]:
    if node is None or node.value is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    problems.add([(node.line, f"{section} is not a mapping; write names and below each its keys.")])
    return {}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise Malformed(0, "There is no such file; check its path.") from None
    except OSError as error:
        raise Malformed(0, f"The file can't be read ({error.strerror}); check it.") from None
    if len(content) > SIZE_LIMIT:
        raise Malformed(0, "The file is larger than 1 MiB; declare less in it, or in several files.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Malformed(line, "The line is not UTF-8 text; save the file in that encoding.") from None


class _Reader:
    """Makes definitions of entries, and collects what is wrong with them."""

    def __init__(self, problems: Problems, seal: Seal) -> None:
        self._problems = problems
        self._seal = seal

    def read(self, sections: Mapping[str, Mapping[str, Node]]) -> Definitions:
        return Definitions(
            self._all(Connection, sections["connections"]),
            self._all(Segment, sections["segments"]),
            self._all(Export, sections["exports"]),
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
        try:
            return model.model_validate_json(json.dumps(self._sealed(model, values)), strict=True)
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


def _warnings(
    connections: Mapping[str, Connection], entries: Mapping[str, Node], unresolved: Unresolved
) -> Iterator[Fault]:
    for name, connection in connections.items():
        if reason := unresolved(name, connection.api_key):
            entry = entries[name].value
            line = entry["api_key"].line if isinstance(entry, dict) else entries[name].line
            yield line, f"The API key of connection {name} is not known here ({reason}); the workers need it."
