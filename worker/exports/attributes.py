"""Profile columns become merge fields, by the type of the field."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec
import polars as pl

from worker.exports import values

OnNull = Literal["clear", "keep"]
OnBadValue = Literal["omit", "reject"]

REQUIRED_PARTS: Final = ("addr1", "city", "state", "zip")
PARTS: Final = ("addr1", "addr2", "city", "state", "zip", "country")


class MergeField(msgspec.Struct, frozen=True):
    """A custom field of an audience; `choices` are those of a dropdown or radio field."""

    tag: str
    name: str
    type: str
    required: bool = False
    choices: tuple[str, ...] = ()


class Attribute(msgspec.Struct, frozen=True):
    """A merge field and the columns it is filled from.

    `columns` has the one key "" for a single column, and the parts of the address (addr1, addr2, city,
    state, zip, country) for a field of type address.
    """

    field: MergeField
    columns: Mapping[str, str]

    @property
    def is_address(self) -> bool:
        """Whether its value is an object of parts."""
        return self.field.type == "address"


Kinds = Mapping[str, pl.DataType]
_Convert = Callable[[pl.Expr, pl.DataType], pl.Expr]

_CONVERT: Final[Mapping[str, _Convert]] = {
    "number": values.number,
    "date": values.date,
    "birthday": values.birthday,
    "zip": values.zip_code,
    "url": values.url,
    "imageurl": values.url,
}


def json_value(attribute: Attribute, kinds: Kinds) -> pl.Expr:
    """The value as JSON text; null where the profile has none, or has one that does not fit the field.

    The columns must be tidied (`worker.exports.values.tidy`); `kinds` are their types by name. Types that we
    do not know are taken for text.
    """
    if attribute.is_address:
        return _address(attribute, kinds)
    column = attribute.columns[""]
    value, kind = values.named(column), kinds[column]
    if attribute.field.type in {"radio", "dropdown"}:
        return values.choice(value, kind, attribute.field.choices)
    return _CONVERT.get(attribute.field.type, values.text)(value, kind)


def is_present(attribute: Attribute) -> pl.Expr:
    """Whether the profile has a value; of an address any part counts."""
    return pl.any_horizontal(values.named(column).is_not_null() for column in attribute.columns.values())


def is_cut(attribute: Attribute, kinds: Kinds) -> pl.Expr:
    """Whether text of the profile is longer than a merge field takes."""
    typed = attribute.field.type in _CONVERT or attribute.field.type in {"radio", "dropdown"}
    texts = (
        [] if typed else [name for name in attribute.columns.values() if isinstance(kinds[name], pl.String)]
    )
    return pl.any_horizontal(
        pl.lit(value=False), *(values.named(name).str.len_bytes() > values.LONGEST_TEXT for name in texts)
    ).fill_null(value=False)


def _address(attribute: Attribute, kinds: Kinds) -> pl.Expr:
    """An object of the parts that are mapped; null unless all parts that Mailchimp needs are there."""
    parts = []
    for part in PARTS:
        if part not in attribute.columns:
            continue
        column = attribute.columns[part]
        value = pl.concat_str(pl.lit(f',"{part}":'), values.text(values.named(column), kinds[column]))
        parts.append(value if part in REQUIRED_PARTS else value.fill_null(""))
    return pl.concat_str(pl.lit("{"), pl.concat_str(parts).str.strip_prefix(","), pl.lit("}"))
