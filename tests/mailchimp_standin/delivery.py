"""How an answer gets to the caller: whole, cut, in drops, or not at all."""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from .faults import Drip
from .plans import Plan
from .problems import Answer

# closing with a linger time of zero sends a reset instead of a proper end
RESET = struct.pack("ii", 1, 0)


async def deliver(
    request: web.BaseRequest, answer: Answer, plan: Plan, leave: Callable[[], None]
) -> web.StreamResponse:
    """Send the answer.

    `leave` is called when the last of it is about to be handed over: the caller can't have seen the end
    of its call before, nor make the next one.
    """
    if plan.reset is not None:
        return await _reset(request, answer, plan.reset.share, leave)
    if plan.share is not None:
        cut = answer.body[: int(len(answer.body) * plan.share)]
        answer = Answer(answer.status, cut, answer.content_type)
    if plan.drip is not None:
        return await _drip(request, answer, plan.drip, leave)
    leave()
    return web.Response(status=answer.status, body=answer.body, headers=_headers(answer))


def _headers(answer: Answer) -> dict[str, str]:
    return {"Content-Type": answer.content_type} if answer.content_type else {}


async def _start(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = len(answer.body)
    await response.prepare(request)
    return response


async def _reset(
    request: web.BaseRequest, answer: Answer, share: float, leave: Callable[[], None]
) -> web.StreamResponse:
    response: web.StreamResponse = web.Response()
    if share and answer.body:
        response = await _start(request, answer)
        await response.write(answer.body[: max(1, int(len(answer.body) * share))])
    leave()
    abort(request)
    return response


def abort(request: web.BaseRequest) -> None:
    """Reset the connection."""
    transport = request.transport
    if transport is None:
        return
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


async def _drip(
    request: web.BaseRequest, answer: Answer, drip: Drip, leave: Callable[[], None]
) -> web.StreamResponse:
    response = await _start(request, answer)
    last = max(0, len(answer.body) - drip.size)
    for start in range(0, last, drip.size):
        await response.write(answer.body[start : start + drip.size])
        await asyncio.sleep(drip.seconds)
    leave()
    await response.write(answer.body[len(range(0, last, drip.size)) * drip.size :])
    return response
