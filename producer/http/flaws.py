"""What is wrong with a request that pydantic refused, in sentences of ours; no value of it is repeated."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from producer.http.problems import MOST_FLAWS, Flaw

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "It is missing: give it.",
    "extra_forbidden": "It is not known here: leave it out, or correct its name.",
    "string_type": "It is no text: write it in quotes.",
    "string_pattern_mismatch": "It does not match {pattern}: correct it.",
    "string_too_long": "It has more than {max_length} characters: shorten it.",
    "string_too_short": "It has fewer than {min_length} characters: complete it.",
    "literal_error": "It is none of those known here: give {expected}.",
    "enum": "It is none of those known here: give {expected}.",
    "greater_than_equal": "It is too small: give {ge} or more.",
    "less_than_equal": "It is too large: give {le} or less.",
    "int_parsing": "It is no whole number: give one.",
    "int_parsing_size": "It is too large a number: give a smaller one.",
    "int_type": "It is no whole number: give one.",
    "bool_parsing": "It is neither true nor false: give one of them.",
    "bool_type": "It is neither true nor false: give one of them.",
    "list_type": "It is no list: write it in square brackets.",
    "dict_type": "It is no object: write keys and values in braces.",
    "model_attributes_type": "It is no object: write keys and values in braces.",
    "too_short": "It has fewer than {min_length} entries: add some.",
    "too_long": "It has more than {max_length} entries: send some of them in another request.",
    "json_invalid": "It is no JSON: correct what is at this place.",
    "datetime_type": "It is no moment: write it like 2027-01-31T12:00:00Z.",
    "datetime_parsing": "It is no moment: write it like 2027-01-31T12:00:00Z.",
    "datetime_from_date_parsing": "It is no moment: write it like 2027-01-31T12:00:00Z.",
}


def flaws_of(faults: Iterable[Mapping[str, Any]]) -> Iterator[Flaw]:
    """Each thing that is wrong, up to as many as anybody reads."""
    for fault in islice(faults, MOST_FLAWS):
        yield Flaw(where=_where(fault["loc"]), detail=_sentence(fault))


def _where(loc: Iterable[str | int]) -> str:
    return ".".join(str(step)[:100] for step in loc)


def _sentence(fault: Mapping[str, Any]) -> str:
    known = _SENTENCES.get(fault["type"])
    return known.format_map(fault.get("ctx", {})) if known else f"{fault['msg']}: correct it."
