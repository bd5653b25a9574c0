"""Events as they arrive: who sent them, what they ask for, and what they lead to. One way for all doors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import structlog

from producer import webhooks
from producer.application import Producer
from producer.cloudevents import (
    EventRefused,
    RefreshEvent,
    is_binary,
    read_batch,
    read_binary,
    read_event,
)
from producer.events import Refreshed, refresh_finished
from worker.errors import UsageError
from worker.state.events import Taken

log = structlog.get_logger()

MOST_BYTES: Final = 64 * 1024
SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

_UNVERIFIED: Final = (
    "The request is not signed as it has to be here: sign it by Standard Webhooks, with a secret of this "
    "installation and the time of now."
)
_MEDIA: Final = f"The content type is not taken here: send {SINGLE} or {BATCH}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer of 2xx: all that its document tells of is stored, and comes true whatever dies now."""

    status: HTTPStatus
    document: dict[str, Any]


def accept(producer: Producer, headers: Mapping[str, str], body: bytes, now: datetime) -> Accepted:
    """Take what was posted: one event or a batch.

    Nothing of the body is read before its signature is verified, unless unsigned events are allowed.

    Raises:
        EventRefused: with the status for its sender; nothing was started by it.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    _check_form(lowered, body)
    if not producer.settings.unsigned_events:
        _verify(producer, lowered, body, now)
    try:
        return _accept(producer, lowered, body)
    except EventRefused as refused:
        # its sender may be a program that nobody looks at
        log.warning("event.refused", reason=str(refused))
        raise


def take(producer: Producer, event: RefreshEvent) -> tuple[HTTPStatus, dict[str, Any]]:
    """Start what an event asks for, once.

    The runs are stored first and the event is remembered then. Whoever dies in between leaves runs that the
    same refresh finds again, so that sending the event again leads to the same ones. Two events of the same
    id that ask for different things at the same instant may both start runs; one is refused all the same.

    Raises:
        EventRefused: none of its segments is known, or its source and id came with something else before.
    """
    before = producer.events.recall(event.key)
    if before is not None:
        return _answer(event, before, duplicate=True)
    refreshed = _start(producer, event)
    runs = [(run.run_id, run.export) for run in refreshed.runs]
    taken = Taken(event.asks, runs, list(refreshed.unknown))
    kept = producer.events.remember(event.key, taken)
    return _answer(event, kept, duplicate=kept != taken)


def _accept(producer: Producer, headers: Mapping[str, str], body: bytes) -> Accepted:
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == BATCH:
        return _accept_batch(producer, read_batch(body))
    if media == SINGLE:
        return Accepted(*take(producer, read_event(body)))
    if producer.settings.unsigned_events and is_binary(headers):
        return Accepted(*take(producer, read_binary(headers, body)))
    raise EventRefused(_media_sentence(headers), HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _start(producer: Producer, event: RefreshEvent) -> Refreshed:
    try:
        return refresh_finished(producer, event.refresh_id, event.segments)
    except UsageError as error:
        raise EventRefused(str(error)) from None


def _check_form(headers: Mapping[str, str], body: bytes) -> None:
    if len(body) > MOST_BYTES:
        raise EventRefused(
            f"The body is longer than {MOST_BYTES // 1024} KiB: send fewer events at once.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise EventRefused(
            "The body is compressed: send it as it is, without Content-Encoding.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


def _verify(producer: Producer, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    secrets = producer.settings.webhook_keys()
    try:
        webhooks.verify(headers, body, now, secrets)
    except webhooks.Unverified as error:
        reason = str(error) if secrets else "SEGMENT_EXPORT_WEBHOOK_SECRETS is not set"
        log.warning("event.unverified", reason=reason)
        raise EventRefused(_UNVERIFIED, HTTPStatus.UNAUTHORIZED) from None


def _media_sentence(headers: Mapping[str, str]) -> str:
    if is_binary(headers):
        return f"{_MEDIA}, as a signature does not cover the headers that carry an event in binary mode."
    return f"{_MEDIA}."


def _accept_batch(producer: Producer, events: list[RefreshEvent | EventRefused]) -> Accepted:
    """Each event for itself: what is wrong with one keeps no other from being taken.

    A sender that repeats whatever was not answered by 2xx must not repeat good events for ever because of a
    bad one; so only a batch without a good one is refused.
    """
    results = [_result(producer, event) for event in events]
    refused = [result for result in results if "detail" in result]
    if refused and len(refused) == len(results):
        raise EventRefused(f"No event of the batch can be used. The first: {refused[0]['detail']}")
    status = HTTPStatus.MULTI_STATUS if refused else HTTPStatus.ACCEPTED
    return Accepted(status, {"results": results})


def _result(producer: Producer, event: RefreshEvent | EventRefused) -> dict[str, Any]:
    try:
        if isinstance(event, EventRefused):
            raise event
        status, document = take(producer, event)
    except EventRefused as refused:
        log.warning("event.refused", reason=str(refused))
        return {"status": refused.status.value, "detail": str(refused)}
    return {"status": status.value, **document}


def _answer(event: RefreshEvent, taken: Taken, *, duplicate: bool) -> tuple[HTTPStatus, dict[str, Any]]:
    if taken.asks != event.asks:
        raise EventRefused(
            "Another event had the same source and id, and asked for another refresh or other segments: "
            "give each event an id of its own.",
            HTTPStatus.CONFLICT,
        )
    log.info("event.taken", refresh=event.refresh_id, runs=len(taken.runs), duplicate=duplicate)
    document = {
        "source": event.source,
        "id": event.id,
        "refresh_id": event.refresh_id,
        "duplicate": duplicate,
        "runs": [{"run_id": run_id, "export": export} for run_id, export in taken.runs],
        "unknown_segments": taken.unknown,
    }
    return HTTPStatus.OK if duplicate else HTTPStatus.ACCEPTED, document
