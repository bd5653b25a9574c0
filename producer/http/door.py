"""The door that every route has: a token first, then a body within limits, and only then the operation."""

from collections.abc import Callable, Collection, Coroutine
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from producer.desk import Desk
from producer.http.bodies import JSON, BoundedRequest
from producer.http.login import Visit, admit
from producer.http.problems import answers

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
            bounded = BoundedRequest(request.scope, request.receive)
            bounded.accepted = self.accepted
            return await inner(bounded)

        return handle


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
