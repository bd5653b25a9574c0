"""Signals to a worker process, as process managers really send them."""

import signal
import time
from types import FrameType
from typing import Final

_ONE_REQUEST: Final = 5.0  # seconds


def take_repeated_terms_for_one() -> None:
    """Lets SIGTERM end a process gently although it comes twice.

    Process managers (honcho among them) signal the whole group, and Dramatiq's main process passes the signal
    on to its children, who take the second one for "now, whatever you are doing". One that comes later still
    means that.
    """
    handler, first = signal.getsignal(signal.SIGTERM), 0.0
    if not callable(handler):
        return

    def once(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first and time.monotonic() - first < _ONE_REQUEST:
            return
        first = first or time.monotonic()
        handler(number, frame)

    signal.signal(signal.SIGTERM, once)
