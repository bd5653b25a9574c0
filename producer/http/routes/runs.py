"""Runs: listed, followed, steered; who was left out of them, row by row."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from fastapi.responses import Response, StreamingResponse
from starlette.requests import Request

from producer.http.answers import Canceled, Run, RunList, Runs
from producer.http.asked import After, Full, Limit, Name, Named
from producer.http.door import AtDesk, OnVisit, guarded_router
from producer.http.problems import answers
from producer.http.progress import MEDIA_TYPE, Progress
from producer.operations import runs
from worker.exports.runs import RunDocument
from worker.store.report_files import csv_text, ndjson_text

router = guarded_router("runs")

_FORMS: Final = {
    "csv": (csv_text, "text/csv; charset=utf-8"),
    "ndjson": (ndjson_text, "application/x-ndjson"),
}
_ROWS_AT_ONCE: Final = 500
_EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "const": "run"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Run"},
        },
    },
    "required": ["event", "data"],
}
_TEXT: Final = {"schema": {"type": "string"}}


@router.get("/runs", response_model=RunList, responses=answers(404))
def list_runs(
    desk: AtDesk,
    *,
    export: Named = None,
    status: Named = None,
    after: After = "",
    limit: Limit = 50,
) -> Any:
    """The newest runs first."""
    return runs.list_runs(desk, export=export, status=status, after=after, limit=limit)


@router.get("/runs/{run}", response_model=Run, responses=answers(404))
def show_run(desk: AtDesk, run: Name) -> Any:
    """How a run stands."""
    return runs.show_run(desk, run)


@router.get(
    "/runs/{run}/events",
    response_class=Response,
    responses={
        200: {"description": "The run document each time it has changed, until the run has ended."}
        | {"content": {MEDIA_TYPE: {"schema": _EVENT}}},
        **answers(404),
    },
)
def watch_run(visit: OnVisit, run: Name, request: Request) -> Response:
    """Live progress as server-sent events: `event: run`, and the run document as data."""
    runs.show_run(visit.desk, run)

    def look() -> RunDocument | None:
        return runs.show_run(visit.desk, run) if visit.still_welcome() else None

    return Progress(request.app.state.streams, visit.token.id, look)


@router.post("/runs/{run}/cancel", response_model=Canceled, responses=answers(404, 409))
def cancel_run(desk: AtDesk, run: Name) -> Any:
    """Stop a run: no call begins after this."""
    return runs.cancel_run(desk, run)


@router.post("/runs/{run}/approve", response_model=Run, responses=answers(404, 409))
def approve_run(desk: AtDesk, run: Name) -> Any:
    """Let a held run go on."""
    return runs.approve_run(desk, run)


@router.post("/runs/{run}/retry", response_model=Run, status_code=202, responses=answers(404, 409))
def retry_run(desk: AtDesk, run: Name) -> Any:
    """Start a run that sends the failed and rejected profiles of this one again."""
    return runs.retry_run(desk, run)


@router.post("/run-all", response_model=Runs, status_code=202, responses=answers(409))
def run_all(desk: AtDesk, *, full: Full = False) -> Any:
    """Start all exports that run by themselves."""
    return {"runs": runs.run_all(desk, full=full)}


@router.get(
    "/runs/{run}/rejected",
    response_class=Response,
    responses={
        200: {"description": "Who was left out of the run, and why; it names people."}
        | {"content": {"text/csv": _TEXT, "application/x-ndjson": _TEXT}},
        **answers(404),
    },
)
def rejected_rows(
    desk: AtDesk,
    run: Name,
    form: Annotated[
        Literal["csv", "ndjson"],
        Query(alias="format", description="csv for a spreadsheet, ndjson for the exact values"),
    ] = "csv",
) -> Response:
    """Who was not created, updated or unchanged: CSV for a spreadsheet, or NDJSON with the exact values."""
    document = runs.show_run(desk, run)
    to_text, media_type = _FORMS[form]
    text = _begun(to_text(runs.rejected_rows(desk, run)))
    name = f'attachment; filename="rejected-{document.run_id}.{form}"'
    return StreamingResponse(_in_blocks(text), media_type=media_type, headers={"Content-Disposition": name})


def _begun(lines: Iterator[str]) -> Iterator[str]:
    """The same lines, after a look at the first two: what is wrong is told before the answer begins."""
    first = list(itertools.islice(lines, 2))
    return itertools.chain(first, lines)


def _in_blocks(lines: Iterable[str]) -> Iterator[str]:
    lines = iter(lines)
    while block := "".join(itertools.islice(lines, _ROWS_AT_ONCE)):
        yield block
