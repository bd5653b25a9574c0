"""The door that every route has: a token first, then a body within limits, and only then the operation."""

from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from producer.desk import Desk
from producer.http.bodies import JSON, BoundedRequest
from producer.http.login import Visit, admit
from producer.http.problems import MOST_FLAWS, UNUSABLE, Flaw, Refusal, answers

_Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]

# tells the OpenAPI document; the door itself asks for the token
_TOKEN = HTTPBearer(scheme_name="token", description="An API token, se_….", auto_error=False)


class Guarded(APIRoute):
    """A route named like its operation, whose rule is asked before anything of the body is read."""

    accepted: Collection[str] = (JSON,)

    def get_route_handler(self) -> _Handler:
        """The route's handler behind the door."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.visit = await admit(request, self.name)
            self._check_query(request)
            bounded = BoundedRequest(request.scope, request.receive)
            bounded.accepted = self.accepted
            return await inner(bounded)

        return handle

    def _check_query(self, request: Request) -> None:
        """What means nothing here is a slip of the pen, and its answer would be to another question."""
        known = {parameter.alias for parameter in self.dependant.query_params}
        given = Counter(name for name, _ in request.query_params.multi_items())
        flaws = [
            Flaw(where=f"query.{name[:100]}", detail=_slip(name, known))
            for name, times in given.items()
            if name not in known or times > 1
        ]
        if flaws:
            raise Refusal(422, UNUSABLE, errors=flaws[:MOST_FLAWS])


def _slip(name: str, known: Collection[str]) -> str:
    if name in known:
        return "This is given more than once: give it once."
    remedy = f"use {', '.join(sorted(known))}" if known else "leave it out"
    return f"This is not known here: {remedy}."


def guarded_router(topic: str, *, route_class: type[APIRoute] = Guarded) -> APIRouter:
    """A router of routes behind the door; all of them may refuse in these ways."""
    return APIRouter(
        prefix="/v1",
        tags=[topic],
        route_class=route_class,
        dependencies=[Depends(_TOKEN)],
        responses=answers(401, 403, 422, 429, 500, 503),
    )


async def _visit(request: Request) -> Visit:
    visit: Visit = request.state.visit
    return visit


async def _desk(request: Request) -> Desk:
    return (await _visit(request)).desk


AtDesk: TypeAlias = Annotated[Desk, Depends(_desk)]
OnVisit: TypeAlias = Annotated[Visit, Depends(_visit)]
