"""Events from a Redis stream: taken in their order, acknowledged when their runs are stored."""

import os
import secrets
import socket
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Final, Self

import redis
import structlog

from producer.application import Producer
from producer.cloudevents import EventRefused, RefreshEvent, read_event
from producer.incoming import MOST_BYTES, take
from worker.errors import SegmentExportError, TellOperator
from worker.state.events import Entry, EventStream

log = structlog.get_logger()

_AT_ONCE: Final = 10
_LEAD: Final = timedelta(seconds=10)
_WAIT: Final = timedelta(seconds=1)
_PAUSE: Final = timedelta(seconds=1)
_FAULT: Final = "segment-export met a fault of its own at this event: see its logs, and report it."


class StreamConsumer:
    """A thread that takes events from a stream; of several processes that run one, one reads at a time.

    What can't be used is set aside with its reason. When Redis or the catalog is in trouble, the event waits
    where it is, and those behind it too, so that an older refresh is not taken after a newer one.
    """

    def __init__(self, producer: Producer, stream: EventStream) -> None:
        self._producer = producer
        self._stream = stream
        self._who = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._behind = True
        self._stop = Event()
        self._thread = Thread(target=self._loop, name="stream", daemon=True)

    @classmethod
    def of(cls, producer: Producer) -> Self | None:
        """The consumer of this installation; None if SEGMENT_EXPORT_STREAM is not set."""
        return None if producer.stream is None else cls(producer, producer.stream)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread when what it has read is done; another process may read at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def once(self, wait: timedelta = timedelta()) -> int:
        """Takes some of what is there, or comes while it waits; returns how many events are done with.

        Raises:
            RedisError, TellOperator: the events that are not done with come first the next time.
        """
        try:
            if not self._stream.lead(self._who, _LEAD):
                self._behind = True
                self._stop.wait(wait.total_seconds())
                return 0
            entries = self._next(wait)
            for entry in entries:
                self._take(entry)
        except Exception:
            self._behind = True
            raise
        return len(entries)

    def _next(self, wait: timedelta) -> list[Entry]:
        """What was read and not finished goes first, by a process that died or by this one in trouble."""
        if self._behind:
            self._stream.prepare()
            if unfinished := self._stream.claim(_AT_ONCE):
                return unfinished
            self._behind = False
        self._stream.tidy()
        return self._stream.read(_AT_ONCE, wait)

    def _take(self, entry: Entry) -> None:
        try:
            take(self._producer, _event(entry))
        except (redis.RedisError, TellOperator):
            raise
        except EventRefused as refused:
            self._set_aside(entry, str(refused))
        except Exception:
            log.exception("stream.bug", entry=entry.id)
            self._set_aside(entry, _FAULT)
        else:
            self._stream.acknowledge(entry)

    def _set_aside(self, entry: Entry, reason: str) -> None:
        self._stream.set_aside(entry, reason)
        log.warning("event.refused", entry=entry.id, reason=reason)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.once(_WAIT)
            except redis.RedisError as error:
                log.warning("stream.redis", error=type(error).__name__)
                self._stop.wait(_PAUSE.total_seconds())
            except SegmentExportError as error:
                log.error("stream.trouble", reason=str(error))
                self._stop.wait(_PAUSE.total_seconds())
            except Exception:
                # whatever one event does to it, the others still need it
                log.exception("stream.bug")
                self._stop.wait(_PAUSE.total_seconds())
        with suppress(redis.RedisError):
            self._stream.resign(self._who)


def _event(entry: Entry) -> RefreshEvent:
    if entry.event is None:
        raise EventRefused("The entry has no field event: add it as XADD STREAM * event JSON.")
    if len(entry.event) > MOST_BYTES:
        raise EventRefused(f"The event is longer than {MOST_BYTES // 1024} KiB: name fewer segments.")
    return read_event(entry.event)
