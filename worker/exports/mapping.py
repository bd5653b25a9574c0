"""Does the export fit the audience's merge fields and the columns of its sources?"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

import polars as pl

from worker.errors import StopRun
from worker.exports.attributes import PARTS, Attribute, MergeField
from worker.exports.definitions import AddressColumns
from worker.exports.plan import PlanSettings, Table
from worker.exports.values import is_plain

_NAMES_SHOWN: Final = 30


def match_fields(settings: PlanSettings, fields: Iterable[MergeField]) -> list[Attribute]:
    """The mapped merge fields of the audience, by tag: the order in the configuration changes nothing.

    Raises:
        StopRun: all that does not fit, in one sentence.
    """
    known = {field.tag: field for field in fields}
    mapped = settings.attributes
    faults = [
        *_missing_fields([tag for tag in mapped if tag not in known], known),
        *_wrong_forms({tag: columns for tag, columns in mapped.items() if tag in known}, known),
        *_unmapped_fields(
            [
                tag
                for tag, field in known.items()
                if field.required and tag not in mapped and not settings.skip_required
            ]
        ),
    ]
    if faults:
        raise StopRun(
            f"The export's attributes don't fit the audience's merge fields: {'; '.join(faults)}; "
            "correct the attributes, or the merge fields in Mailchimp."
        )
    return [Attribute(known[tag], _columns(mapped[tag])) for tag in sorted(mapped)]


def lacking_fields(
    settings: PlanSettings, fields: Iterable[MergeField], tables: Sequence[Table]
) -> list[MergeField]:
    """The mapped merge fields that the audience lacks, of the types that their columns in all tables have."""
    known = {field.tag for field in fields}
    return [
        MergeField(tag, tag, _type_for(columns, tables))
        for tag, columns in sorted(settings.attributes.items())
        if tag not in known
    ]


def _type_for(columns: str | AddressColumns, tables: Sequence[Table]) -> str:
    if not isinstance(columns, str):
        return "address"
    kinds = [table.kinds[columns] for table in tables if columns in table.kinds]
    if kinds and all(kind.is_numeric() for kind in kinds):
        return "number"
    return "date" if kinds and all(isinstance(kind, pl.Date | pl.Datetime) for kind in kinds) else "text"


def check_columns(tables: Iterable[Table], columns: Sequence[str]) -> None:
    """Looks for the columns in every table.

    Raises:
        StopRun: the columns that are missing in all tables, in one sentence.
    """
    faults = [
        f"{table.where} has no column {_with_hints(missing, table.columns)} among {_listed(table.columns)}"
        for table in tables
        if (missing := [column for column in columns if column not in table.columns])
    ]
    if faults:
        raise StopRun(
            f"The sources lack columns of the export: {'; '.join(faults)}; correct email and attributes "
            "in the export, or let the refresh write these columns."
        )


def check_kinds(where: str, schema: Mapping[str, pl.DataType]) -> None:
    """Looks at the types of the columns that are read.

    Raises:
        StopRun: one holds lists, objects or the like.
    """
    nested = [f'"{name}" ({kind})' for name, kind in schema.items() if not is_plain(kind)]
    if nested:
        raise StopRun(
            f"{where} holds no single values in the column {' and '.join(nested)}: name a column of text, "
            "numbers, booleans or dates."
        )


def _columns(columns: str | AddressColumns) -> dict[str, str]:
    if isinstance(columns, str):
        return {"": columns}
    return {part: column for part in PARTS if (column := getattr(columns, part))}


def _missing_fields(tags: Sequence[str], known: Mapping[str, MergeField]) -> list[str]:
    if not tags:
        return []
    return [f"it has no merge field {_with_hints(tags, list(known))} among {_listed(list(known))}"]


def _wrong_forms(
    mapped: Mapping[str, str | AddressColumns], known: Mapping[str, MergeField]
) -> Iterable[str]:
    for tag, columns in mapped.items():
        kind = known[tag].type
        if kind == "address" and isinstance(columns, str):
            yield f"{tag} is an address and needs columns for addr1, city, state and zip"
        if kind != "address" and not isinstance(columns, str):
            yield f"{tag} is of type {kind} and takes one column, not those of an address"


def _unmapped_fields(tags: Sequence[str]) -> list[str]:
    return [f"it requires {' and '.join(tags)}, which no attribute fills"] if tags else []


def _with_hints(names: Sequence[str], known: Sequence[str]) -> str:
    return " or ".join(f'"{name}"{_hint(name, known)}' for name in names)


def _hint(name: str, known: Sequence[str]) -> str:
    by_folded = {one.casefold(): one for one in reversed(known)}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return f' (did you mean "{by_folded[close[0]]}"?)' if close else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none at all"
    return f"{shown} and {more} more" if more > 0 else shown
