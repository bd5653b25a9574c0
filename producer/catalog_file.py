"""Read a configuration file: all that it declares, or all that is wrong with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from producer.cross_checks import Sections
from producer.declaring import (
    SECTIONS,
    Seal,
    SealFor,
    Unresolved,
    declare,
    no_secret,
    warnings_of,
)
from producer.problems import CatalogProblem, Problems, TooMany, unknown_key
from producer.yaml_tree import Malformed, Node, read_tree
from worker.exports.declarations import Definitions

SIZE_LIMIT: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file declares; with any problem it is incomplete and must not be saved."""

    definitions: Definitions
    problems: tuple[CatalogProblem, ...] = ()
    warnings: tuple[CatalogProblem, ...] = ()


def _never(_connection: str, _reference: str) -> str:
    return ""


def load(
    path: Path,
    *,
    known: Definitions,
    seal: Seal,
    seal_for: SealFor = no_secret,
    unresolved: Unresolved = _never,
    content: bytes | None = None,
) -> Declared:
    """Read and check a file as a whole, or the content that came without one.

    `known` is the catalog that references may lead to, besides the file itself. `seal(connection, key)` turns
    a literal API key into its `encrypted:` reference, `seal_for(place, text)` another secret.
    `unresolved(connection, reference)` says why a reference leads to no key here, if so.
    """
    problems, warnings = Problems(str(path)), Problems(str(path))
    definitions = Definitions()
    try:
        sections = _sections(_text(content_of(path) if content is None else content), problems)
        definitions = declare(sections, problems, known=known, seal=seal, seal_for=seal_for)
        warnings.add(warnings_of(definitions.connections, sections["connections"], unresolved))
    except Malformed as fault:
        problems.add([(fault.line, fault.sentence)])
    except TooMany:
        pass
    return Declared(definitions, problems.told(), warnings.told())


def _sections(text: str, problems: Problems) -> Sections:
    root, repeated = read_tree(text)
    problems.add((fault.line, fault.sentence) for fault in repeated)
    if root.value is None:
        raise Malformed(0, f"The file declares nothing; write {', '.join(SECTIONS)} into it.")
    if not isinstance(root.value, dict):
        raise Malformed(root.line, f"The file is not a mapping; its keys are {', '.join(SECTIONS)}.")
    unknown = {key: node for key, node in root.value.items() if key not in SECTIONS}
    problems.add((node.line, unknown_key("The file", key, SECTIONS)) for key, node in unknown.items())
    return {section: _entries(section, root.value.get(section), problems) for section in SECTIONS}


def _entries(section: str, node: Node | None, problems: Problems) -> dict[str, Node]:
    if node is None or node.value is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    problems.add([(node.line, f"{section} is not a mapping; write names and below each its keys.")])
    return {}


def tree_of_content(content: bytes) -> Node:
    """What stands in a file, whatever it means.

    Raises:
        Malformed: it can't be read as YAML.
    """
    return read_tree(_text(content))[0]


def content_of(path: Path) -> bytes:
    """The bytes of a file; not many more than it may have.

    Raises:
        Malformed: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise Malformed(0, "There is no such file; check its path.") from None
    except OSError as error:
        raise Malformed(0, f"The file can't be read ({error.strerror}); check it.") from None


def _text(content: bytes) -> str:
    if len(content) > SIZE_LIMIT:
        raise Malformed(0, "The file is larger than 1 MiB; declare less in it, or in several files.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Malformed(line, "The line is not UTF-8 text; save the file in that encoding.") from None
