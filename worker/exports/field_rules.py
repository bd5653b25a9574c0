"""The rules of single fields of a definition, each with the end of its sentence.

A broken rule raises `predicate`: what follows "FIELD of KIND NAME" in the sentence that a person reads. It
never repeats what was written, because that may be a credential or an address.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from worker.exports.schedules import ON_REFRESH, NotACronLine, check_cron, is_schedule, is_zone

SOURCE_SUFFIXES: Final = (".parquet", ".csv", ".ndjson", ".jsonl")
REFERENCE_PREFIXES: Final = ("env:", "file:", "encrypted:")
PREDICATE: Final = "predicate"

_MERGE_TAG = re.compile(r"[A-Z0-9_]{1,10}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_REFERENCE = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*"
    r"|file:[^\s\x00-\x1f](?:[^\x00-\x1f]*[^\s\x00-\x1f])?"
    r"|encrypted:[A-Za-z0-9+/]+={0,2}"
)
_DECIMAL = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/?#-]+")
_CRON_RULE = (
    "a cron line of five fields (minute, hour, day of month, month, day of week) in quotes, "
    "such as '0 6 * * 1'"
)


def predicate(sentence_end: str) -> PydanticCustomError:
    """A broken rule, worded as what follows "FIELD of KIND NAME" in a sentence, without a full stop."""
    return PydanticCustomError(PREDICATE, "{predicate}", {"predicate": sentence_end})


def text_as_number(value: object) -> object:
    """A configuration file keeps a decimal number as it is written, so that none loses a zero on the way."""
    return float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value


def number_as_text(value: object) -> object:
    """YAML reads 1234567890 as a number, and an audience ID or a column may be called just that."""
    return str(value) if type(value) is int else value


def one_line(text: str) -> str:
    """Text without control characters, line breaks or halves of characters."""
    if _CONTROL.search(text):
        raise predicate("holds a line break or another control character; write it on one line")
    return text


def trimmed(text: str) -> str:
    """Text that neither begins nor ends with a space."""
    if text != text.strip():
        raise predicate("begins or ends with a space; take it out")
    return text


def is_reference(text: str) -> bool:
    """Whether a text is a well-formed reference of something secret."""
    return _REFERENCE.fullmatch(text) is not None


def reference(text: str) -> str:
    """A well-formed `env:NAME`, `file:PATH` or `encrypted:BASE64`."""
    if not is_reference(text):
        raise predicate(
            "is neither a well-formed reference, env:NAME_OF_A_VARIABLE or file:PATH, "
            "nor an API key, which ends in a hyphen and its data centre, such as -us6"
        )
    return text


def not_sql(value: object) -> object:
    """A source that is no mapping: SQL queries are written as one."""
    if isinstance(value, Mapping):
        raise predicate(
            "is an SQL query or another mapping, which is not supported yet; "
            "write the path of a Parquet, CSV or NDJSON file"
        )
    return value


def readable_source(text: str) -> str:
    """A local path or file:// URL of a known kind of file, with known placeholders only."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme != "file":
        raise predicate("is a URL of a kind that is not supported yet; write a local path or a file:// URL")
    if separator and not rest.startswith("/"):
        raise predicate(
            "is a file:// URL without an absolute path; write it as in file:///data/loyal.parquet"
        )
    if re.search(r"[{}]", text.replace("{refresh_id}", "").replace("{segment}", "")):
        raise predicate(
            "has an unknown placeholder or a lone brace; only {refresh_id} and {segment} are filled in"
        )
    if not text.lower().endswith(SOURCE_SUFFIXES):
        raise predicate(f"names no file that can be read; its name must end in {', '.join(SOURCE_SUFFIXES)}")
    return text


def way_to_run(text: str) -> str:
    """How a run is started: by a refresh, by hand, or by a cron line."""
    if not is_schedule(text):
        return text
    if not _looks_like_cron(text):
        raise predicate(f"is none of the ways to start a run; write on_refresh, manual or {_CRON_RULE}")
    try:
        check_cron(text)
    except NotACronLine as fault:
        raise predicate(f"is a schedule that can't be followed ({fault}); write {_CRON_RULE}") from None
    return text


def _looks_like_cron(text: str) -> bool:
    fields = text.split()
    return text.startswith("@") or (len(fields) > 1 and all(_CRON_FIELD.fullmatch(field) for field in fields))


def time_zone(text: str) -> str:
    """The name of a time zone of the IANA's."""
    if not is_zone(text):
        raise predicate("is no time zone that is known; write a name such as Europe/Berlin or UTC")
    return text


def only_on_refresh(text: str | None, others: ValidationInfo) -> str | None:
    """A span within which a refresh is expected, of an export that a refresh runs."""
    if text is not None and others.data.get("run", ON_REFRESH) != ON_REFRESH:
        raise predicate("needs run: on_refresh, as no refresh runs this export; take it out, or change run")
    return text


def unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of which none is written twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise predicate(f"names {twice[0]} more than once; name each segment once")
    return names


def merge_tag(tag: str) -> str:
    """The tag of a merge field that may be mapped."""
    if tag == "EMAIL":
        raise predicate("can't be mapped as an attribute; the key email names the column of the addresses")
    if not _MERGE_TAG.fullmatch(tag):
        raise predicate("is not a merge tag; write 1 to 10 characters of A-Z, 0-9 and _, such as FNAME")
    return tag
