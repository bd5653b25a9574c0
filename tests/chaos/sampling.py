"""How much of what could be tried is tried: a bounded sample by `make test`, all of it by `make chaos`."""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

ALL: Final = "CHAOS_ALL"


def some(of: Sequence[T], most: int) -> Sequence[T]:
    """The first ones, so the most telling stand in front; all of them if asked for."""
    return of if ALL in os.environ else of[:most]
