"""The way of a call from its headers to its answer."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from . import routes_lists, routes_members, routes_segments
from .accounts import Account
from .delivery import deliver
from .plans import Plan, carry_out, plan
from .problems import Answer, not_found, too_many_connections, unauthorized
from .reports import CallRecord
from .routing import Call, Route
from .world import World

BASE = "/3.0"
ROUTES = (*routes_lists.ROUTES, *routes_members.ROUTES, *routes_segments.ROUTES)
LOOK = 0.01  # seconds between looks whether the caller is still there
NO_BODY: Mapping[str, str] = {}


class ControlPort(Protocol):
    """Whoever answers below `/_standin/`."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse: ...


class Progress(msgspec.Struct):
    """A call on its way, for the record."""

    account: Account
    path: str
    endpoint: str
    started: float
    open: int
    status: int = 0
    left: bool = False

    def leave(self) -> None:
        """The call is open no more; once."""
        if self.left:
            return
        self.left = True
        self.account.leave()
        record = CallRecord(
            self.started,
            time.time(),
            self.account.api_key,
            self.endpoint,
            self.path,
            self.status,
            self.open,
        )
        self.account.record(record)


class Door:
    """Answers every request of the server."""

    def __init__(self, world: World, control: ControlPort) -> None:
        self.world = world
        self.control = control

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/_standin/"):
            return await self.control(request)
        if path.startswith("/oauth2/"):
            return await self.world.login(request)
        try:
            return await self._answered(request, path)
        except ConnectionError:
            # the caller went away in the middle; this answer goes nowhere
            return web.Response()

    async def _answered(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        account = self.world.authenticate(request.headers.get("Authorization", ""))
        if account is None:
            self.world.unauthorized += 1
            await request.content.read()
            return _plain(unauthorized().answer())
        return await self._counted(request, path, account)

    async def _counted(self, request: web.BaseRequest, path: str, account: Account) -> web.StreamResponse:
        route, params = _routed(request.method, path) if path.startswith(BASE) else (None, NO_BODY)
        path = path.removeprefix(BASE)
        within = account.enter()
        endpoint = route.endpoint if route else "unknown"
        progress = Progress(account, path, endpoint, time.time(), account.open)
        try:
            # not by the request, which takes a megabyte at most
            body = await request.content.read()
            if not within:
                answer = Answer(429, b"", "") if account.bare else too_many_connections().answer()
                return await _sent(request, answer, Plan(), progress)
            query = request.query if request.query_string else NO_BODY
            call = Call(self.world, account, request.method, path, params, query, body, 0.0)
            return await self._worked(request, call, route, progress)
        finally:
            progress.leave()

    async def _worked(
        self, request: web.BaseRequest, call: Call, route: Route | None, progress: Progress
    ) -> web.StreamResponse:
        world, faults = self.world, self.world.faults
        todo = Plan()
        if faults.armed:
            audience = call.params.get("list_id", "")
            firing = faults.firing(call.method, call.path, call.account.api_key, audience)
            todo = plan(firing, call)
        pause = world.pause(progress.endpoint, call.path)
        await _pass(request, call.account, todo.delay + pause / 2)
        call.now = world.now()
        answer = carry_out(todo, call, route.answer if route else _lost)
        # what this one thread needs for ten calls at once is part of their latency, not on top of it
        end = progress.started + todo.delay + pause
        await _pass(request, call.account, end - time.time() + todo.hold)
        return await _sent(request, answer, todo, progress)


async def _sent(
    request: web.BaseRequest, answer: Answer, todo: Plan, progress: Progress
) -> web.StreamResponse:
    progress.status = 0 if todo.reset else answer.status
    return await deliver(request, answer, todo, progress.leave)


def _routed(method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
    for route in ROUTES:
        if route.method == method and (found := route.match(path, len(BASE))):
            return route, found.groupdict()
    return None, NO_BODY


def _lost(_: Call) -> Answer:
    raise not_found()


async def _pass(request: web.BaseRequest, account: Account, seconds: float) -> None:
    """Let time pass. With `linger` off, a caller that goes away ends the call before its effect."""
    if seconds <= 0:
        return
    if account.linger:
        await asyncio.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError
        await asyncio.sleep(min(left, LOOK))


def _plain(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
