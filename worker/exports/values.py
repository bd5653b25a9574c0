"""Values as Mailchimp takes them, as expressions over whole columns: JSON text, or null where none fits.

All of them expect a column that `tidy` has been over. The forms are those of Mailchimp's documents and of
users' reports: MM/DD for birthdays, five digits for zip, no JSON booleans. A value that does not fit is never
guessed.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import polars as pl
from polars import selectors

LONGEST_TEXT: Final = 255
"""Bytes of a text; file imports cut there (Mailchimp's documents)."""

_SPACING: Final = r"[\t\n\x0b\f\r\x85]+"
_CONTROL: Final = r"[\x00-\x1f\x7f-\x9f]"
_UNTIDY: Final = rf"{_CONTROL}|^\s*$"
_WHOLE_NUMBER: Final = r"^[+-]?[0-9]{1,18}$"
_NUMBER: Final = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_ISO_DAY: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?$"
)
_MONTH_AND_DAY: Final = r"^[0-9]{2}[/-][0-9]{2}$"
_ZIP: Final = r"^([0-9]{5})(?:-[0-9]{4})?$"
_LARGEST_ZIP: Final = 99_999
_URL: Final = r"^https?://[^\s/?#]+\.[^\s/?#]+(?:[/?#]\S*)?$"
_LAST_YEAR: Final = 9999


def is_plain(kind: pl.DataType) -> bool:
    """Whether a column of this type holds single values that can be sent."""
    return not (kind.is_nested() or isinstance(kind, pl.Object | pl.Duration | pl.Unknown))


def named(column: str) -> pl.Expr:
    """The column of exactly this name, which may look like a pattern or a wildcard."""
    return selectors.by_name(column).as_expr()


def tidy(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """The column without what is no value: numbers and dates stay what they are, the rest becomes text.

    Text loses NUL and other control characters (a run of line breaks and tabs becomes a space). Blank text
    and NaN are null.
    """
    if kind.is_float():
        return column.fill_nan(None)
    if kind.is_numeric() or isinstance(kind, pl.Date | pl.Datetime):
        return column
    return column.cast(pl.String).map_batches(_tidied, return_dtype=pl.String)


def as_text(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Any tidied value as text, whole numbers without a point; times of day to the second."""
    if kind.is_float():
        return value.cast(pl.String).str.strip_suffix(".0")
    if isinstance(kind, pl.Datetime):
        return value.dt.to_string("%Y-%m-%d %H:%M:%S%:z" if kind.time_zone else "%Y-%m-%d %H:%M:%S")
    return value.cast(pl.String)


def text(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Text of at most 255 bytes."""
    return quoted(cut(as_text(value, kind)))


def number(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A number, or text that is one with a decimal point."""
    if kind.is_numeric():
        finite = value.is_finite() if kind.is_float() else value.is_not_null()
        return pl.when(finite).then(as_text(value, kind))
    if not isinstance(kind, pl.String):
        return _none()
    digits = value.str.strip_chars()
    whole = digits.str.contains(_WHOLE_NUMBER)
    return pl.coalesce(
        pl.when(whole).then(digits.cast(pl.Int64, strict=False).cast(pl.String)),
        number(
            pl.when(~whole & digits.str.contains(_NUMBER)).then(digits).cast(pl.Float64, strict=False),
            pl.Float64(),
        ),
    )


def date(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """YYYY-MM-DD of a date, a time, or ISO 8601 text; a time's day is that of its own time zone."""
    return _day(value, kind).dt.to_string('"%Y-%m-%d"')


def birthday(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """MM/DD of what `date` takes, or of the text MM/DD or MM-DD."""
    found = _day(value, kind).dt.to_string('"%m/%d"')
    if isinstance(kind, pl.String):
        month_and_day = value.str.strip_chars()
        leap_year = pl.when(month_and_day.str.contains(_MONTH_AND_DAY)).then(
            pl.lit("2000-") + month_and_day.str.replace("/", "-", literal=True)
        )
        found = pl.coalesce(found, _parsed(leap_year).dt.to_string('"%m/%d"'))
    return found


def zip_code(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Five digits; the four of ZIP+4 are left off, and numbers get back the zeros they lost.

    Shorter text is not padded: it may well be another country's code.
    """
    if kind.is_numeric():
        amount = value.cast(pl.Float64)
        is_zip = amount.is_between(1, _LARGEST_ZIP) & (amount == amount.floor())
        return quoted(pl.when(is_zip).then(amount).cast(pl.Int64).cast(pl.String).str.zfill(5))
    return quoted(as_text(value, kind).str.strip_chars().str.extract(_ZIP))


def url(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """An http or https address."""
    link = as_text(value, kind).str.strip_chars()
    return quoted(pl.when(link.str.contains(_URL)).then(link))


def choice(value: pl.Expr, kind: pl.DataType, choices: Sequence[str]) -> pl.Expr:
    """One of the field's choices, letter by letter."""
    known = {one: msgspec.json.encode(one).decode() for one in choices}
    return as_text(value, kind).str.strip_chars().replace_strict(known, default=None, return_dtype=pl.String)


def cut(long: pl.Expr) -> pl.Expr:
    """Text cut to 255 bytes, between two characters."""
    return long.map_batches(_cut, return_dtype=pl.String)


def quoted(plain: pl.Expr) -> pl.Expr:
    """Text as a JSON string; it must hold no control characters."""
    escaped = plain.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))


def _day(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Date | pl.Datetime):
        day = value.dt.date() if isinstance(kind, pl.Datetime) else value
    elif isinstance(kind, pl.String):
        day = _parsed(value.str.strip_chars().str.extract(_ISO_DAY))
    else:
        day = _none().cast(pl.Date)
    return pl.when(day.dt.year().is_between(1, _LAST_YEAR)).then(day)


def _parsed(iso: pl.Expr) -> pl.Expr:
    return iso.str.to_date("%Y-%m-%d", strict=False, exact=True)


def _none() -> pl.Expr:
    return pl.lit(None, pl.String)


# These two look at a whole batch first, because nearly all batches need nothing done.


def _tidied(found: pl.Series) -> pl.Series:
    if not found.str.contains(_UNTIDY).any():
        return found
    plain = found.str.replace_all(_SPACING, " ").str.replace_all(_CONTROL, "")
    return plain.set(plain.str.strip_chars().str.len_bytes() == 0, None)


def _cut(found: pl.Series) -> pl.Series:
    too_long = (found.str.len_bytes() > LONGEST_TEXT).arg_true()
    if too_long.is_empty():
        return found
    shorter = [
        one.encode()[:LONGEST_TEXT].decode(errors="ignore") for one in found.gather(too_long).to_list()
    ]
    return found.clone().scatter(too_long, shorter)
