"""The clock process: what happens because time passes. Any number of them may run; one is enough."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Final

import redis
import structlog

from producer.application import Producer
from producer.notifications.dispatch import Dispatcher
from producer.refreshes import Refreshes
from producer.schedules import Schedules
from producer.stream import StreamConsumer
from worker.errors import SegmentExportError

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=1)
# seconds: a mail takes 30 at most
_GENTLE: Final = 35.0


@dataclass(frozen=True)
class Chore:
    """Something that is looked at again and again, in a thread of its own."""

    name: str
    look: Callable[[], None]
    every: timedelta = _EVERY
    close: Callable[[], None] = lambda: None


def chores(producer: Producer) -> list[Chore]:
    """All that a clock does."""
    dispatcher = Dispatcher(producer)
    return [
        Chore("presence", producer.clocks.seen, timedelta(seconds=5)),
        Chore("schedules", Schedules(producer).look),
        Chore("refreshes", Refreshes(producer).look, timedelta(seconds=10)),
        Chore("notifications", dispatcher.look, close=dispatcher.close),
    ]


def run(producer: Producer, wait: Callable[[], object]) -> None:
    """Do all chores, and read events if there is a stream, until `wait` comes back; all end gently."""
    stopping = Event()
    threads = [
        Thread(target=_repeat, args=(chore, stopping), name=chore.name, daemon=True)
        for chore in chores(producer)
    ]
    events = StreamConsumer.of(producer)
    for thread in threads:
        thread.start()
    if events is not None:
        events.start()
    wait()
    stopping.set()
    if events is not None:
        events.stop()
    for thread in threads:
        thread.join(_GENTLE)
    producer.clocks.gone()


def _repeat(chore: Chore, stopping: Event) -> None:
    while True:
        try:
            chore.look()
        except redis.RedisError as error:
            log.warning("clock.redis", chore=chore.name, error=type(error).__name__)
        except SegmentExportError as error:
            log.error("clock.trouble", chore=chore.name, reason=str(error))
        except Exception:
            # whatever one export or channel does to it, the others still need it
            log.exception("clock.bug", chore=chore.name)
        if stopping.wait(chore.every.total_seconds()):
            chore.close()
            return
