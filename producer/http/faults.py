"""What stopped a request, as a problem document: the only place that knows which status is whose."""

from collections.abc import Mapping
from typing import Any, Final

import redis
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from producer.access import Forbidden
from producer.declaring import CatalogRefused
from producer.http.flaws import flaws_of
from producer.http.problems import UNUSABLE, Flaw, Refusal, problem
from worker.errors import (
    Conflicts,
    NotThere,
    RetryLater,
    SegmentExportError,
    StopRun,
    UsageError,
)
from worker.store.interface import MissingObject

UNFIT: Final = (
    "This installation is not fit to do that: its operator finds the reason in the log, or by doctor."
)
NO_REDIS: Final = "Redis does not answer this server: try again in a moment."

_STATUS: Final[Mapping[type[SegmentExportError], int]] = {
    Forbidden: 403,
    NotThere: 404,
    MissingObject: 404,
    Conflicts: 409,
    StopRun: 409,
    UsageError: 422,
    RetryLater: 503,
}
_SENTENCES: Final[Mapping[int, str]] = {
    404: "There is nothing at this path: see /openapi.json for what there is.",
    405: "This path knows other methods: see the header Allow.",
}
_LATER: Final = {"Retry-After": "5"}

log = structlog.get_logger()


def answer_faults(app: FastAPI) -> None:
    """Makes the application answer what goes wrong with problem documents."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _unroutable)
    app.add_exception_handler(RequestValidationError, _unusable)
    app.add_exception_handler(CatalogRefused, _catalog_refused)
    app.add_exception_handler(SegmentExportError, _failed)
    app.add_exception_handler(redis.RedisError, _without_redis)


async def _refused(_request: Request, error: Any) -> Response:
    refusal: Refusal = error
    return refusal.response()


async def _unroutable(_request: Request, error: Any) -> Response:
    fault: HTTPException = error
    sentence = _SENTENCES.get(fault.status_code, "The request can't be read: correct it.")
    return problem(fault.status_code, sentence, headers=fault.headers)


async def _unusable(_request: Request, error: Any) -> Response:
    fault: RequestValidationError = error
    return problem(422, UNUSABLE, errors=list(flaws_of(fault.errors())))


async def _catalog_refused(_request: Request, error: Any) -> Response:
    refused: CatalogRefused = error
    flaws = [
        Flaw(where=f"line {each.line}" if each.line else "body", detail=each.sentence)
        for each in refused.problems
    ]
    return problem(
        422, "Something is wrong with what was sent, and nothing was saved: see errors.", errors=flaws
    )


async def _failed(_request: Request, error: Any) -> Response:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        log.error("http.unfit", exc_info=error)
        return problem(503, UNFIT, headers=_LATER)
    return problem(status, str(error), headers=_LATER if status == 503 else None)  # noqa: PLR2004


async def _without_redis(_request: Request, error: Any) -> Response:
    log.error("http.without_redis", kind=type(error).__name__)
    return problem(503, NO_REDIS, headers=_LATER)
