"""What no definition can be asked alone: does what it names exist, and are its tags fit for Mailchimp?"""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

from producer.problems import Fault, quoted, shown_name
from producer.yaml_tree import Node, plain
from worker.exports.declarations import Definitions
from worker.exports.definitions import TAG_LENGTH, Export, Segment, tag
from worker.exports.wording import close_matches

Sections: TypeAlias = Mapping[str, Mapping[str, Node]]


def dangling(sections: Sections, known: Definitions) -> Iterator[Fault]:
    """What an export or a notification of the file names and what is nowhere declared."""
    connections = {*sections["connections"], *known.connections}
    segments = {*sections["segments"], *known.segments}
    exports = {*sections["exports"], *known.exports}
    for name, node in sections["exports"].items():
        owner = f"Export {shown_name(name)}"
        yield from _unknown(owner, "connection", _entry(node, "connection"), connections)
        for item in _listed(node, "segments"):
            yield from _unknown(owner, "segment", item, segments)
    for name, node in sections["notifications"].items():
        for item in _listed(node, "exports"):
            yield from _unknown(f"Notification {shown_name(name)}", "export", item, exports)


def _entry(node: Node, key: str) -> Node | None:
    return node.value.get(key) if isinstance(node.value, dict) else None


def _listed(node: Node, key: str) -> list[Node]:
    entry = _entry(node, key)
    return entry.value if entry is not None and isinstance(entry.value, list) else []


def _unknown(owner: str, kind: str, node: Node | None, names: Collection[str]) -> Iterator[Fault]:
    name = plain(node) if node else None
    if node and isinstance(name, str | int) and not isinstance(name, bool) and str(name) not in names:
        remedy = close_matches(str(name), names) or "; declare it or name another."
        where = "which is neither in this file nor in the catalog" if node.line else "which is not there"
        yield node.line, f"{owner} names {kind} {quoted(str(name))}, {where}{remedy}"


def unfit_tags(definitions: Definitions, known: Definitions, sections: Sections) -> Iterator[Fault]:
    """Tags that are too long, or that two segments of an export would share, if the file has a part in it.

    Whether Mailchimp tells tags apart by case alone is not documented, so we don't try it.
    """
    segments = {**known.segments, **definitions.segments}
    for export in {**known.exports, **definitions.exports}.values():
        seen: dict[str, Segment] = {}
        for segment in (segments[name] for name in export.segments if name in segments):
            twin = seen.setdefault(tag(export, segment).casefold(), segment)
            line = _line(sections, export, segment, twin)
            if line is not None and len(tag(export, segment)) > TAG_LENGTH:
                yield line, _long_tag(export, segment)
            if line is not None and twin is not segment:
                yield line, _shared_tag(export, segment, twin)


def _line(sections: Sections, export: Export, *segments: Segment) -> int | None:
    """Where the file declares one of them; None if it declares none."""
    homes = [sections["exports"].get(export.name)]
    homes += [sections["segments"].get(segment.name) for segment in segments]
    return next((home.line for home in homes if home), None)


def _long_tag(export: Export, segment: Segment) -> str:
    return (
        f"The tag of segment {segment.name} in export {export.name}, tag_prefix and display_name together, "
        f"has {len(tag(export, segment))} characters, and Mailchimp takes 1 to {TAG_LENGTH}; shorten one."
    )


def _shared_tag(export: Export, segment: Segment, twin: Segment) -> str:
    return (
        f"Segments {twin.name} and {segment.name} of export {export.name} would share one tag in Mailchimp; "
        "give them display_names that differ in more than case."
    )
