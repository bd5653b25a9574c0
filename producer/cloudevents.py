"""Reads CloudEvents 1.0, and takes one type of them: a refresh has finished.

Events name things. Whatever else one carries is refused, and no sentence repeats more than a plain name.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from producer.events import usable_refresh_id
from producer.problems import quoted, unknown_key
from worker.errors import UsageError

TYPE: Final = "segment-export.refresh.finished"
MOST_IN_A_BATCH: Final = 100

_DATA_KEYS: Final = ("refresh_id", "segments")
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,64}")
_SEGMENT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST: Final = 500
_HEADER: Final = "ce-"


class EventRefused(UsageError):
    """An event that can't be used as it is; `status` is what its sender is answered."""

    def __init__(self, sentence: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class RefreshEvent:
    """A finished refresh as an upstream system tells it; `segments` is None for all of them."""

    source: str
    id: str
    refresh_id: str
    segments: tuple[str, ...] | None

    @property
    def key(self) -> str:
        """What an event that is sent again has in common with the first one: source and id."""
        return _digest([self.source, self.id])

    @property
    def asks(self) -> str:
        """What is asked for; the time of the event, say, may differ when it is sent again."""
        return _digest([self.refresh_id, self.segments])


def read_event(body: bytes) -> RefreshEvent:
    """One event in structured mode.

    Raises:
        EventRefused: says what is wrong with it.
    """
    return _event(_decoded(body))


def read_batch(body: bytes) -> list[RefreshEvent | EventRefused]:
    """The events of a batch, each as it is or as it was refused.

    Raises:
        EventRefused: the batch as a whole can't be read.
    """
    found = _decoded(body)
    if not isinstance(found, list):
        raise EventRefused("The batch is no list: send a JSON array of events.")
    if len(found) > MOST_IN_A_BATCH:
        raise EventRefused(f"The batch has {len(found)} events: send at most {MOST_IN_A_BATCH} at once.")
    return [_read_or_refused(event) for event in found]


def read_binary(headers: Mapping[str, str], body: bytes) -> RefreshEvent:
    """One event in binary mode: its attributes are headers (in lower case), its data is the body.

    Raises:
        EventRefused: says what is wrong with it.
    """
    attributes = {
        name.removeprefix(_HEADER): unquote(value)
        for name, value in headers.items()
        if name.startswith(_HEADER)
    }
    return _event({**attributes, "data": _decoded(body) if body else None})


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether headers (in lower case) are those of an event in binary mode."""
    return f"{_HEADER}specversion" in headers


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise EventRefused("The body is not JSON in UTF-8.", HTTPStatus.BAD_REQUEST) from None


def _read_or_refused(value: Any) -> RefreshEvent | EventRefused:
    try:
        return _event(value)
    except EventRefused as refused:
        return refused


def _event(value: Any) -> RefreshEvent:
    if not isinstance(value, dict):
        raise EventRefused("The event is no JSON object: send a CloudEvent in structured mode.")
    given = {name: attribute for name, attribute in value.items() if attribute is not None}
    data = given.pop("data", {})
    _check_attributes(given)
    source, event_id = _text(given, "source"), _text(given, "id")
    if not isinstance(data, dict):
        raise EventRefused("The event's data is no JSON object: write refresh_id and segments into one.")
    for key in data.keys() - set(_DATA_KEYS):
        raise EventRefused(unknown_key("The event's data", key, _DATA_KEYS))
    refresh_id = _refresh_id(data.get("refresh_id"), event_id)
    return RefreshEvent(source, event_id, refresh_id, _segments(data.get("segments")))


def _check_attributes(given: Mapping[str, Any]) -> None:
    if "data_base64" in given:
        raise EventRefused("The event's data is in data_base64: write it as a JSON object into data.")
    if given.get("specversion") != "1.0":
        raise EventRefused('The event has no specversion "1.0": send CloudEvents 1.0.')
    kind = _text(given, "type")
    if kind != TYPE:
        raise EventRefused(f"The event's type {quoted(kind)} is not taken here: send {TYPE}.")
    for name, attribute in given.items():
        if not _ATTRIBUTE.fullmatch(name) or not isinstance(attribute, str | int):
            raise EventRefused(
                "The event has an attribute that CloudEvents does not allow: names are lower-case letters "
                "and digits, values text, whole numbers or booleans; all else belongs into data."
            )


def _text(given: Mapping[str, Any], name: str) -> str:
    text = given.get(name)
    if isinstance(text, str) and 0 < len(text) <= _LONGEST and text.isprintable():
        return text
    raise EventRefused(f"The event has no usable {name}: write 1 to {_LONGEST} printable characters.")


def _refresh_id(given: Any, event_id: str) -> str:
    refresh_id = event_id if given is None else given
    if isinstance(refresh_id, str) and usable_refresh_id(refresh_id):
        return refresh_id
    place = (
        "The event's id can't be the refresh's id too" if given is None else "data.refresh_id can't be used"
    )
    raise EventRefused(
        f"{place}: write 1 to 200 letters, digits, '.', '_', ':', '+' and '-', without '..', "
        "into data.refresh_id."
    )


def _segments(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not given:
        raise EventRefused("data.segments names nothing: list names of segments, or leave it out for all.")
    if not all(isinstance(name, str) and _SEGMENT.fullmatch(name) for name in given):
        raise EventRefused(
            "data.segments holds something that is no name of a segment: write the names that the catalog "
            "has, of lower-case letters, digits, hyphens and underscores."
        )
    return tuple(sorted(set(given)))


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
