"""Takes what happened out of the outbox, and tells every channel that wants to know, at least once."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

import structlog

from producer.application import Producer
from producer.notifications.backoff import wait
from producer.notifications.faults import NotSent
from producer.notifications.notices import Notice, late_reason, reason_of
from producer.notifications.sending import Sender
from worker.errors import SegmentExportError, UsageError
from worker.exports.channels import HELD, LATE, Notification
from worker.settings import environ
from worker.state.outbox import Delivery, Happening
from worker.state.timetable import moment

log = structlog.get_logger()

# longer than the slowest way of sending takes: else two clocks would send the same
_LEASE: Final = timedelta(minutes=2)
_AT_ONCE: Final = 8


class Dispatcher:
    """Sends deliveries, one of each channel at a time, several channels at once.

    A slow channel keeps none of the others waiting, and none gets more than one notification a look.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._outbox = producer.outbox
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notification")
        self._busy: set[str] = set()
        self._lock = Lock()

    def look(self) -> None:
        """Make deliveries of what happened, and begin to send those whose time has come."""
        for happening in self._outbox.happenings():
            self._outbox.fan_out(happening, self._wanted_by(happening))
        with self._lock:
            busy = set(self._busy)
        for delivery in self._outbox.claim(_LEASE, busy):
            with self._lock:
                self._busy.add(delivery.channel)
            self._pool.submit(self._deliver, delivery)

    def close(self) -> None:
        """Let what is being sent end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _wanted_by(self, happening: Happening) -> list[str]:
        export = self._export_of(happening)
        channels = self._producer.catalog.notifications()
        return [channel.name for channel in channels if channel.wants(happening.event, export)]

    def _export_of(self, happening: Happening) -> str:
        if happening.event == LATE:
            return happening.subject.partition("@")[0]
        facts = self._producer.runs.facts(happening.subject)
        return facts.export if facts else ""

    def _deliver(self, delivery: Delivery) -> None:
        try:
            self._try(delivery)
        except Exception:
            # its lease brings it back
            log.exception("notification.bug", channel=delivery.channel)
        finally:
            with self._lock:
                self._busy.discard(delivery.channel)

    def _try(self, delivery: Delivery) -> None:
        about = {"channel": delivery.channel, "event_of": delivery.happening.subject}
        try:
            channel = self._producer.catalog.notification(delivery.channel)
            notice = self._notice(delivery)
        except UsageError as gone:
            # the channel was removed, or the run is not remembered any more
            self._give_up(delivery, str(gone))
            return
        try:
            self._sender().send(channel, notice, datetime.now(UTC))
        except (NotSent, SegmentExportError) as fault:
            self._later(delivery, channel, str(fault))
        else:
            self._outbox.sent(delivery)
            log.info("notification.sent", kind=notice.kind, **about)

    def _later(self, delivery: Delivery, channel: Notification, reason: str) -> None:
        delay = wait(delivery.tries, random.random())
        if delay is None:
            self._give_up(delivery, f"Notification {channel.name} was not told: {reason}.")
            return
        self._outbox.later(delivery, delay)
        seconds = round(delay.total_seconds())
        log.warning("notification.failed", channel=channel.name, reason=reason, again_in=seconds)

    def _give_up(self, delivery: Delivery, reason: str) -> None:
        self._outbox.give_up(delivery, reason)
        log.error("notification.given_up", channel=delivery.channel, reason=reason)

    def _notice(self, delivery: Delivery) -> Notice:
        event, subject = delivery.happening.event, delivery.happening.subject
        identity = f"{subject}.{event}.{delivery.channel}"
        if event == LATE:
            export, _, since = subject.partition("@")
            found = self._producer.catalog.everything().exports.get(export)
            reason = late_reason(export, (found and found.expect_refresh) or "", moment(int(since)))
            return Notice(identity, event, export, delivery.at, reason)
        run = self._producer.runs.document(subject)
        reason = self._outbox.why_held(subject) if event == HELD else reason_of(run)
        return Notice(identity, event, run.export, delivery.at, reason, self._link(subject), run)

    def _link(self, run_id: str) -> str:
        public = self._producer.settings.public_url
        return f"{public}/v1/runs/{run_id}" if public else ""

    def _sender(self) -> Sender:
        return Sender(self._producer.keyring, environ())
