"""Events of other systems, which show no token but sign what they send."""

from collections.abc import Collection
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from producer.application import Producer
from producer.cloudevents import EventRefused
from producer.http.answers import EventsTaken, EventTaken
from producer.http.bodies import DEEPEST, BoundedRequest, depth
from producer.http.login import address_of, count_failure
from producer.http.problems import OF_BODIES, Refusal, answers
from producer.incoming import BATCH, MOST_BYTES, SINGLE, Accepted, accept

router = APIRouter(prefix="/v1", tags=["events"])

_SCHEMA: Final = {"schema": {"type": "object", "required": ["specversion", "id", "source", "type"]}}
_ABOUT: Final = {
    "requestBody": {
        "required": True,
        "content": {SINGLE: _SCHEMA, BATCH: {"schema": {"type": "array", "items": _SCHEMA["schema"]}}},
    }
}


class _EventRequest(BoundedRequest):
    largest: int = MOST_BYTES
    # which types are taken depends on whether events have to be signed
    accepted: Collection[str] = ()


@router.post(
    "/events",
    status_code=202,
    response_class=JSONResponse,
    responses={
        200: {"model": EventTaken | EventsTaken, "description": "They were taken before."},
        202: {
            "model": EventTaken | EventsTaken,
            "description": "They are taken: what they ask for is stored.",
        },
        207: {"model": EventsTaken, "description": "Some of them are taken, some refused."},
        **answers(401, 409, 422, 429, 500, 503, *OF_BODIES),
    },
    openapi_extra=_ABOUT,
)
async def receive_events(request: Request) -> Response:
    """Take an event, or a batch of them: CloudEvents in structured mode, signed by Standard Webhooks."""
    producer: Producer = request.app.state.producer
    body = await _EventRequest(request.scope, request.receive).body()
    if depth(body) > DEEPEST:
        raise Refusal(422, f"The body is deeper than {DEEPEST} levels: send a plainer one.")
    taken = await run_in_threadpool(_accept, producer, request, body)
    return JSONResponse(taken.document, status_code=taken.status)


def _accept(producer: Producer, request: Request, body: bytes) -> Accepted:
    headers: dict[str, Any] = dict(request.headers)
    try:
        return accept(producer, headers, body, datetime.now(UTC))
    except EventRefused as refused:
        if refused.status == HTTPStatus.UNAUTHORIZED:
            count_failure(producer, f"events {address_of(request)}")
        raise Refusal(refused.status, str(refused)) from None
