"""A catalog applied as a whole, and refreshes told by a person or a script with a token."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from producer.http.answers import Applied, Refreshed
from producer.http.asked import Refresh
from producer.http.bodies import JSON
from producer.http.door import AtDesk, Guarded, guarded_router
from producer.http.problems import OF_BODIES, answers
from producer.operations import catalog, events

_YAML: Final = "application/yaml"


class _Applying(Guarded):
    accepted = (_YAML, JSON)


applying = guarded_router("catalog", route_class=_Applying)
router = guarded_router("catalog")


@applying.post(
    "/catalog",
    response_model=Applied,
    responses=answers(409, *OF_BODIES),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _YAML: {"schema": {"type": "string"}},
                JSON: {"schema": {"type": "object"}},
            },
        }
    },
)
async def apply_catalog(desk: AtDesk, request: Request) -> Any:
    """Save what a configuration file declares, or nothing if anything is wrong with it."""
    content = await request.body()
    return await run_in_threadpool(catalog.apply_catalog, desk, Path("catalog.yaml"), content)


@router.post("/refreshes", response_model=Refreshed, status_code=202, responses=answers(409, *OF_BODIES))
def refresh_finished(desk: AtDesk, refresh: Refresh) -> Any:
    """Say that a refresh has finished; the same again gives the runs that it led to before."""
    found = events.refresh_finished(desk, refresh.refresh_id, refresh.segments)
    return {"refresh_id": refresh.refresh_id, "runs": found.runs, "unknown": found.unknown}
