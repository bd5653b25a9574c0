"""Ends of sentences that several rooms say."""

import difflib
from collections.abc import Collection
from typing import Final

_MANY: Final = 500
_LONG: Final = 100


def close_matches(name: str, names: Collection[str]) -> str:
    """The end of a sentence about an unknown name: which ones were perhaps meant, if any."""
    # comparing with very many takes seconds
    likely = sorted(other for other in names if other.isprintable()) if len(names) <= _MANY else []
    close = difflib.get_close_matches(name[:_LONG], likely, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""
