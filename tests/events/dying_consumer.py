"""Reads the stream of events, and dies at a given moment: `python -m tests.events.dying_consumer MOMENT`."""

import os
import signal
import sys
from datetime import timedelta
from typing import Any

from producer.application import Producer
from producer.stream import StreamConsumer
from worker.state.events import Events, EventStream

MOMENTS = {
    "before the runs are stored": (Events, "recall"),
    "before the event is remembered": (Events, "remember"),
    "before it is acknowledged": (EventStream, "acknowledge"),
}


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    owner, method = MOMENTS[sys.argv[1]]
    setattr(owner, method, die)
    consumer = StreamConsumer.of(Producer())
    assert consumer is not None
    while True:
        consumer.once(timedelta(seconds=1))


if __name__ == "__main__":
    main()
