"""The rules of single fields of a notification channel, each with the end of its sentence."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import ValidationInfo

from worker.exports.field_rules import is_reference, predicate

_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII
)
_REFERENCES: Final = "env:NAME_OF_A_VARIABLE or file:PATH"


def every(events: Sequence[str]) -> Callable[[object], object]:
    """Takes the word every for all events."""

    def spelled_out(value: object) -> object:
        if value == "every":
            return tuple(events)
        return tuple(value) if isinstance(value, list) else value

    return spelled_out


def all_or_some(value: object) -> object:
    """The names of exports; none for all."""
    if value == "all":
        return ()
    if value == []:
        raise predicate("is empty; write all, or a list of names of exports")
    return tuple(value) if isinstance(value, list) else value


def url(text: str) -> str:
    """The reference of a URL."""
    return _reference(text, "a URL that begins with https:// or http://")


def secret(text: str) -> str:
    """The reference of a signing secret."""
    return _reference(text, "a secret of 24 bytes or more in base64, as `openssl rand -base64 32` makes it")


def password(text: str | None, others: ValidationInfo) -> str | None:
    """The reference of a password, which goes over an encrypted connection only."""
    if text is None:
        return None
    if others.data.get("user") is None:
        raise predicate("goes with a user; write one, or take the password out")
    if others.data.get("encryption") == "none":
        raise predicate("would travel in the open; set encryption to starttls or tls, or take it out")
    return _reference(text, "a password of 1 to 200 letters, digits and signs without blanks")


def address(text: str) -> str:
    """An e-mail address of somebody who is told."""
    if not _ADDRESS.fullmatch(text):
        raise predicate("is not an e-mail address; write one such as ops@example.com")
    return text


def _reference(text: str, literal: str) -> str:
    if not is_reference(text):
        raise predicate(f"is neither a well-formed reference, {_REFERENCES}, nor {literal}")
    return text
