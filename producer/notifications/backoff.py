"""When a notification that did not arrive is sent again. Pure: the caller throws the dice."""

from datetime import timedelta
from typing import Final

TRIES: Final = 12
"""Over some four hours."""

_FIRST: Final = timedelta(seconds=10)
_LONGEST: Final = timedelta(hours=1)


def wait(tries: int, chance: float) -> timedelta | None:
    """How long to wait after so many tries; None: give up. `chance` is between 0 and 1."""
    if tries >= TRIES:
        return None
    longest: timedelta = min(_LONGEST, _FIRST * 2 ** (tries - 1))
    return longest * (0.5 + chance / 2)
