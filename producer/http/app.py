"""The application, made for one producer."""

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from producer.application import Producer
from producer.http.faults import answer_faults
from producer.http.frame import Frame
from producer.http.problems import Problem
from producer.http.progress import Streams
from producer.http.routes import (
    callback,
    catalog,
    connections,
    events,
    exports,
    health,
    runs,
    segments,
    tokens,
)

_ABOUT: Final = (
    "Exports customer segments to Mailchimp audiences. "
    "Every refusal is a problem document (RFC 9457) of one form."
)
_ROUTERS: Final = (
    exports.router,
    runs.router,
    segments.router,
    connections.router,
    catalog.applying,
    catalog.router,
    tokens.router,
    events.router,
    health.router,
    callback.router,
)
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


class Application(FastAPI):
    """An application whose OpenAPI document knows problem documents too."""

    def openapi(self) -> dict[str, Any]:
        """The document, made when it is first asked for."""
        if self.openapi_schema is None:
            schemas = super().openapi()["components"]["schemas"]
            _, found = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            schemas.update(found["$defs"])
        assert self.openapi_schema is not None  # noqa: S101 - FastAPI has just made it
        return self.openapi_schema


def create_app(producer: Producer) -> FastAPI:
    """An application that stands in front of this installation."""
    app = Application(
        title="segment-export",
        version=version("segment-export"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation,
        telemetry=_NO_TELEMETRY,
    )
    app.state.producer = producer
    app.state.streams = Streams()
    app.state.readiness = health.Readiness(producer)
    answer_faults(app)
    app.add_middleware(Frame)
    for router in _ROUTERS:
        app.include_router(router)
    return app


def _operation(route: APIRoute) -> str:
    return route.name
