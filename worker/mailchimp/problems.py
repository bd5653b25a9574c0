"""Problem documents: what Mailchimp says about a call that it refused, made safe to repeat.

Its explanations quote addresses, so none of its free text leaves this room unmasked.
"""

import re
import unicodedata
from typing import Final, NamedTuple

import msgspec

from worker.exports.uploading import UNREADABLE

_MEMBER: Final = re.compile(r"^members\.(?:item:)?[0-9]+\.")
_LONGEST_TEXT: Final = 160
_HIDDEN: Final = "(an address)"


class Fault(NamedTuple):
    """One thing that was wrong with a call: the field, as a path or a merge tag, and why."""

    field: str
    message: str


class Problem(NamedTuple):
    """A problem document as it came; nothing in it is masked."""

    title: str
    detail: str
    faults: list[Fault]

    def blamed(self) -> Fault:
        """Give the first field to blame, its path counted from its member, both texts masked."""
        fault = self.faults[0] if self.faults else Fault("", self.detail)
        return Fault(masked(_MEMBER.sub("", fault.field)), masked(fault.message))

    def is_compliance_review(self) -> bool:
        """Tell whether the account is under review: all of its calls are refused then."""
        return self.title.replace(" ", "").lower() == "compliancerelated"

    def is_about_status(self) -> bool:
        """Tell whether members were refused for having `status_if_new`, or for having no `status`.

        We send the same `status_if_new` for everybody and never a `status`, so no member is to blame.
        """
        return any(_names_status(*fault) for fault in [Fault("", self.detail), *self.faults])


class _WireFault(msgspec.Struct):
    field: str | None = None
    message: str | None = None


class _WireProblem(msgspec.Struct):
    title: str | None = None
    detail: str | None = None
    # not in the specification, only in recorded answers: whatever it is, the document stays one
    errors: msgspec.Raw = msgspec.Raw(b"null")


_PROBLEM: Final = msgspec.json.Decoder(_WireProblem)
_FAULTS: Final = msgspec.json.Decoder(list[_WireFault] | None)


def read_problem(body: bytes) -> Problem | None:
    """Read a refusal's body; None when it is not a problem document (empty, a page of a proxy)."""
    try:
        wire = _PROBLEM.decode(body)
    except UNREADABLE:
        return None
    if not (wire.title or wire.detail):
        return None
    return Problem(wire.title or "", wire.detail or "", _faults(wire.errors))


def breaks_off(body: bytes) -> bool:
    """Tell whether a document has begun and can't be read to its end."""
    try:
        msgspec.json.decode(body)
    except UNREADABLE:
        return body.lstrip().startswith(b"{")
    return False


def masked(text: str) -> str:
    """Make a foreign text fit for a sentence of ours: one line, bounded, without addresses."""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    if any('"@' in _plain(word) for word in words):
        # the part before the @ was quoted and may hold spaces: no telling where it began
        return _HIDDEN
    shown = " ".join(_HIDDEN if _may_be_address(word) else word for word in words)
    return shown[:_LONGEST_TEXT].rstrip(" .")


def _faults(errors: msgspec.Raw) -> list[Fault]:
    try:
        faults = _FAULTS.decode(errors) or []
    except UNREADABLE:
        return []
    return [Fault(fault.field or "", fault.message or "") for fault in faults]


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word)


def _may_be_address(word: str) -> bool:
    plain = _plain(word)
    return "@" in plain or "%40" in plain


def _names_status(field: str, message: str) -> bool:
    if "merge_fields" in field or field.isupper():
        return False  # a merge field may well have the tag STATUS
    path, words = _words(field), {word.lower() for word in _words(message)}
    if "status_if_new" in {*path, *words} or path[-1:] == ["status"]:
        return True
    return "status" in {*path, *words} and not words.isdisjoint({"anyof", "required", "missing"})


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]+", text)
