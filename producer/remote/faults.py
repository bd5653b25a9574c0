"""What an API refuses, as the errors that the same operation raises here: one sentence each."""

from typing import Final, NoReturn

import msgspec

from producer.access import Forbidden
from producer.remote.door import TOKEN, URL, Door
from worker.errors import Conflicts, NotThere, SegmentExportError, Unavailable, UsageError

PROBLEM: Final = "application/problem+json"

_LONGEST: Final = 1000
_MOST_FLAWS: Final = 200
_KINDS: Final[dict[int, type[SegmentExportError]]] = {
    403: Forbidden,
    404: NotThere,
    408: Unavailable,
    409: Conflicts,
    429: Unavailable,
}
_UNAUTHORIZED: Final = 401
_FAULT_OF_SERVER: Final = 500
_ELSEWHERE: Final = range(300, 400)
_NOBODY_BEHIND: Final = frozenset({502, 503})
_TOO_LATE: Final = 504


class _Flaw(msgspec.Struct):
    where: str
    detail: str


class _Problem(msgspec.Struct):
    detail: str
    errors: list[_Flaw] = []


def refusal(door: Door, method: str, status: int, media_type: str, content: bytes) -> SegmentExportError:
    """The error that an answer means which is not the one that was asked for."""
    problem = _problem(media_type, content)
    if problem is None:
        return _by_somebody_else(door, method, status)
    if status == _UNAUTHORIZED:
        return UsageError(f"{door.url} does not take the token (any more): set {TOKEN} to one that is valid.")
    if problem.errors:
        return _refused(problem.errors)
    kind = _KINDS.get(status, Unavailable if status >= _FAULT_OF_SERVER else UsageError)
    return kind(_clean(problem.detail))


def _by_somebody_else(door: Door, method: str, status: int) -> SegmentExportError:
    """The error about an answer of what stands before the API, or where it should be."""
    if status in _ELSEWHERE:
        return _misdirected(door, "sends on to somewhere else, and nothing follows it with a token")
    if status in _NOBODY_BEHIND:
        return Unavailable(
            f"Nothing is behind {door.url} ({status}): start the API, or try again in a moment."
        )
    if status == _TOO_LATE:
        return broken(door, method, "did not answer what stands before it in time")
    return strange(door, f"({status})")


def strange(door: Door, how: str = "") -> SegmentExportError:
    """The error about an answer that is none of this API's, or not of this version's."""
    what = f"answers {how}".rstrip()
    return _misdirected(door, f"{what} as the API of this version of segment-export does not")


def unreachable(door: Door, reason: str) -> Unavailable:
    """The error about an API that no connection can be made to."""
    return Unavailable(
        f"The API can't be reached at {door.url} ({reason}): "
        f"start it (segment-export serve), or correct {URL}."
    )


def broken(door: Door, method: str, how: str) -> Unavailable:
    """The error about an answer that did not come, or not to its end."""
    remedy = "try again" if method == "GET" else "look whether it was done before you try again"
    return Unavailable(f"The API at {door.url} {how}: {remedy}.")


def refuse_key(door: Door) -> NoReturn:
    """Keeps a literal API key from going where others can read it.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"An API key is sent over https:// only, and {door.url} is not: "
        "reach the API by https://, or give env:NAME or file:PATH instead of the key."
    )


def _misdirected(door: Door, what: str) -> UsageError:
    return UsageError(f"{door.url} {what}: correct {URL}, or install the same version here and there.")


def _refused(flaws: list[_Flaw]) -> SegmentExportError:
    from producer.declaring import CatalogRefused  # noqa: PLC0415 (slow, and only for whoever meets one)
    from producer.problems import CatalogProblem  # noqa: PLC0415

    found = []
    for flaw in flaws[:_MOST_FLAWS]:
        place, _, number = flaw.where.partition(" ")
        line = int(number) if place == "line" and number.isascii() and number.isdecimal() else 0
        where = "" if line or place == "body" else f"{_clean(flaw.where)}: "
        found.append(CatalogProblem("", line, where + _clean(flaw.detail)))
    return CatalogRefused(tuple(found))


def _problem(media_type: str, content: bytes) -> _Problem | None:
    if media_type != PROBLEM:
        return None
    try:
        return msgspec.json.decode(content, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _clean(text: str) -> str:
    """On one line, and without anything that a terminal would obey."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
