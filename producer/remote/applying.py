"""A configuration file, read here and applied elsewhere; problems name it as it is called here."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from producer.applying import Applied
from producer.catalog_file import content_of, tree_of_content
from producer.declaring import CatalogRefused
from producer.problems import CatalogProblem
from producer.remote import faults
from producer.remote.door import Door
from producer.remote.requests import holds_key
from producer.yaml_tree import Malformed, plain


def apply(door: Door, file: Path, send: Callable[[bytes], Applied]) -> Applied:
    """Sends what stands in a file.

    Raises:
        CatalogRefused: something is wrong with it; nothing was saved.
        UsageError: there is a literal API key in it, which others could read on the way.
    """
    try:
        content = content_of(file)
        if not door.fit_for_keys and holds_key(plain(tree_of_content(content))):
            faults.refuse_key(door)
        applied = send(content)
    except Malformed as fault:
        raise CatalogRefused((CatalogProblem(str(file), fault.line, fault.sentence),)) from None
    except CatalogRefused as refused:
        raise CatalogRefused(_named(file, refused.problems)) from None
    return replace(applied, warnings=_named(file, applied.warnings))


def _named(file: Path, problems: Iterable[CatalogProblem]) -> tuple[CatalogProblem, ...]:
    return tuple(replace(problem, file=str(file)) for problem in problems)
