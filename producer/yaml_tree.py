"""Read YAML into a tree that knows its lines, and refuse what a configuration has no use for.

Scalars follow the YAML 1.2 core schema, so that `no` is text. Aliases are refused (a few of them can stand
for gigabytes), and so are tags, several documents, and nesting beyond what any configuration needs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

MAX_DEPTH: Final = 12

Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"
Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# longer ones, and those with a leading zero, would not survive as a number
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
# only the loader in Python lets them through
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line to name when something is wrong with it: its key's, or its own in a list."""

    line: int
    value: Value


class Malformed(Exception):
    """The text can't be read as a configuration; the sentence says why, the line where."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


def read_tree(text: str) -> tuple[Node, list[Malformed]]:
    """The tree of a YAML document, and the keys that stand twice in one mapping (the first one counts).

    Raises:
        Malformed: the text is no such document.
    """
    if control := _CONTROL.search(text):
        raise Malformed(_line(text, control.start()), "The line holds a control character; take it out.")
    try:
        return _Composer(text).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax_fault(error, text) from None


def plain(node: Node) -> Plain:
    """The tree without its lines, as JSON types."""
    match node.value:
        case dict(entries):
            return {key: plain(entry) for key, entry in entries.items()}
        case list(items):
            return [plain(item) for item in items]
        case scalar:
            return scalar


def tree_of(value: Any, depth: int = 0) -> Node:
    """The tree of JSON values, which have no lines.

    Raises:
        Malformed: they are nested deeper than a file may be, or are no JSON.
    """
    if depth > MAX_DEPTH:
        raise Malformed(0, f"Values are nested more than {MAX_DEPTH} deep; no configuration needs that.")
    match value:
        case Mapping():
            return Node(0, {str(key): tree_of(entry, depth + 1) for key, entry in value.items()})
        case list() | tuple():
            return Node(0, [tree_of(item, depth + 1) for item in value])
        case str() if _CONTROL.search(value) or _SURROGATE.search(value):
            raise Malformed(0, "A text holds a control character or half a character; take it out.")
        case None | str() | int() | float():
            return Node(0, value)
    raise Malformed(0, "A value is of a kind that JSON does not know; write text, a number, true or false.")


class _Composer:
    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._repeated: list[Malformed] = []

    def document(self) -> tuple[Node, list[Malformed]]:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Node(1, None), []
        root = self._node(next(self._events), 0)
        next(self._events)
        rest = next(self._events)
        if not isinstance(rest, yaml.StreamEndEvent):
            raise _fault(rest, "A second document begins here; keep all in one, without a line of dashes.")
        return root, self._repeated

    def _node(self, event: Any, depth: int, line: int | None = None) -> Node:
        _refuse_extras(event, depth)
        at = _event_line(event) if line is None else line
        match event:
            case yaml.MappingStartEvent():
                return Node(at, self._mapping(depth + 1))
            case yaml.SequenceStartEvent():
                return Node(at, self._sequence(depth + 1))
        return Node(at, _scalar(event))

    def _mapping(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            _refuse_extras(event, depth)
            if not isinstance(event, yaml.ScalarEvent):
                raise _fault(event, "A key must be plain text; a list or mapping can't be one.")
            line = _event_line(event)
            entry = self._node(next(self._events), depth, line)
            if entries.setdefault(event.value, entry) is not entry:
                first = entries[event.value].line
                self._repeated.append(_repeated(event.value, line, first))
        return entries

    def _sequence(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth))
        return items


def _scalar(event: yaml.ScalarEvent) -> str | int | bool | None:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    return _BOOLEANS.get(text, int(text) if _WHOLE.fullmatch(text) else text)


def _refuse_extras(event: Any, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise _fault(event, "Aliases (*name) are not supported; write the value out.")
    if event.tag not in _TEXT_TAGS:
        raise _fault(event, "YAML tags (!name) are not supported; take it out.")
    if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
        raise _fault(event, "An escape here stands for half a character; write the character itself.")
    if depth > MAX_DEPTH:
        raise _fault(event, f"Values are nested more than {MAX_DEPTH} deep; no configuration needs that.")


def _repeated(key: str, line: int, first: int) -> Malformed:
    return Malformed(line, f"The key {key!r:.80} stands here again after line {first}; keep one of them.")


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> Malformed:
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines() or [""]
    # what is left open is missed behind the last line
    line = min(mark.line + 1 if mark else 1, len(lines))
    if re.match(r" *\t", lines[line - 1]):
        return Malformed(line, "The line is indented with a tab; YAML wants spaces.")
    what = " ".join(filter(None, (error.context, error.problem)))
    return Malformed(line, f"The YAML can't be read from here on ({what}); mend this line or the one before.")


def _fault(event: Any, sentence: str) -> Malformed:
    return Malformed(_event_line(event), sentence)


def _event_line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
