"""What Mailchimp thinks of an address or of a merge field's value."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec

from .shapes import Kind, MergeValue

TEXT_BYTES = 255
ADDRESS_LENGTH = 254  # RFC 5321
ADDRESS_PARTS = ("addr1", "city", "state", "zip")
ADDRESS_KEYS = frozenset((*ADDRESS_PARTS, "addr2", "country"))
BLANK = "Please enter a value"

# nearly every address; it only saves time, so it may be narrower than the next one
usual_address = re.compile(
    r"(?!test@)[a-z0-9_+-]{1,64}(?:\.[a-z0-9_+-]{1,64})?"
    r"@[a-z0-9]{1,63}(?:[.-][a-z0-9]{1,31})?\.[a-z]{2,9}(?<!@example\.com)"
).fullmatch
# international characters after the @ only (Mailchimp's documents)
_address = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]"
).fullmatch
_birthday = re.compile(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])").fullmatch
_day_last = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})").fullmatch
_zip = re.compile(r"[0-9]{5}").fullmatch
_link = re.compile(r"https?://[^\s/]+\.[^\s/]+(?:/\S*)?").fullmatch


class MergeField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A custom field of an audience."""

    tag: str
    name: str = ""
    type: Kind = "text"
    required: bool = False
    choices: tuple[str, ...] = ()


def address_fault(address: str) -> str | None:
    """Why Mailchimp won't take the address as one, or None."""
    if len(address) > ADDRESS_LENGTH or _address(address) is None:
        return "Please provide a valid email address."
    if address[:5].lower() == "test@" or address[-12:].lower() == "@example.com":
        return f"{address} looks fake or invalid, please enter a real email address."
    return None


def accept(field: MergeField, value: MergeValue) -> MergeValue:
    """The value as it is kept; an empty string clears the field.

    Raises:
        ValueError: its text is the field's message.
    """
    if value == "":
        return value
    return _ACCEPT[field.type](field, value)


def _text(_: MergeField, value: MergeValue) -> MergeValue:
    kept = _plain(value)
    if len(kept.encode()) > TEXT_BYTES:
        raise ValueError(f"Please enter no more than {TEXT_BYTES} bytes")
    return kept


def _plain(value: MergeValue) -> str:
    if isinstance(value, dict):
        raise ValueError("Please enter text")  # noqa: TRY004 - a refused value, not a mistake in code
    return value if isinstance(value, str) else str(value)


def _number(_: MergeField, value: MergeValue) -> MergeValue:
    try:
        number = float(_plain(value))
    except ValueError:
        raise ValueError("Please enter a number") from None
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - the test for NaN
        raise ValueError("Please enter a number")
    return int(number) if number.is_integer() else number


def _choice(field: MergeField, value: MergeValue) -> MergeValue:
    if value not in field.choices:
        raise ValueError("Value must be one of: " + ", ".join(field.choices))
    return value


def _date(_: MergeField, value: MergeValue) -> MergeValue:
    text = _plain(value)
    parts = _day_last(text)
    try:
        if parts:
            date(int(parts[3]), int(parts[1]), int(parts[2]))
        else:
            datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("Please enter the date as YYYY-MM-DD or MM/DD/YYYY") from None
    return text


def _parts(_: MergeField, value: MergeValue) -> MergeValue:
    if not isinstance(value, dict) or not value.keys() <= ADDRESS_KEYS:
        raise ValueError("Please enter a complete address")
    if not all(value.get(part) for part in ADDRESS_PARTS):
        raise ValueError("Please enter a complete address")
    return value


def _like(
    expression: Callable[[str], object], message: str
) -> Callable[[MergeField, MergeValue], MergeValue]:
    def check(_: MergeField, value: MergeValue) -> MergeValue:
        if not isinstance(value, str) or not expression(value):
            raise ValueError(message)
        return value

    return check


_ACCEPT: dict[str, Callable[[MergeField, MergeValue], MergeValue]] = {
    "text": _text,
    "phone": _text,
    "number": _number,
    "radio": _choice,
    "dropdown": _choice,
    "date": _date,
    "address": _parts,
    "birthday": _like(_birthday, "Please enter the birthday as MM/DD"),
    "zip": _like(_zip, "Please enter a five-digit zip code"),
    "url": _like(_link, "Please enter a valid URL"),
    "imageurl": _like(_link, "Please enter a valid URL"),
}
