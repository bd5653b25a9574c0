"""The stand-in's own HTTP interface, below `/_standin/`."""

import asyncio
from collections.abc import Iterator
from itertools import islice

import msgspec
from aiohttp import web

from .operations import Operations, remote
from .reports import MemberView

LINES = 2_000
NDJSON = "application/x-ndjson"
_encoder = msgspec.json.Encoder()


class Control:
    """Operations as `POST /_standin/do/{operation}` with a JSON object of arguments.

    Also `GET /_standin/statistics`, `GET /_standin/lists/{id}/digest`, and `GET …/dump`, which streams
    one member a line. What is not there: 404 with its name; what can't be: 400 with a sentence.
    """

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self.by_name = remote(operations)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        steps = request.path.split("/")[2:]
        try:
            if steps[0] == "lists" and steps[2:] == ["dump"]:
                return await self._dump(request, steps[1])
            return _json(self._answer(request.method, steps, body))
        except KeyError as error:
            return web.Response(status=404, text=str(error.args[0]))
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=str(error))

    def _answer(self, method: str, steps: list[str], body: bytes) -> bytes:
        match method, steps:
            case "POST", ["do", name]:
                return self.by_name[name](body or b"{}")
            case "GET", ["statistics"]:
                return self.by_name["statistics"](b"{}")
            case "GET", ["lists", list_id, "digest"]:
                return _encoder.encode(self.operations.digest(list_id))
        raise KeyError("/".join(steps))

    async def _dump(self, request: web.BaseRequest, list_id: str) -> web.StreamResponse:
        views = self.operations.dump(list_id)
        response = web.StreamResponse(headers={"Content-Type": NDJSON})
        await response.prepare(request)
        while lines := encoded(views):
            await response.write(lines)
            # other calls get their turn
            await asyncio.sleep(0)
        return response


def encoded(views: Iterator[MemberView]) -> bytes:
    """The next few thousand members, one a line; empty at the end."""
    return _encoder.encode_lines(list(islice(views, LINES)))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": "application/json"})
