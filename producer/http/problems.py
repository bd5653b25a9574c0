"""Problem documents (RFC 9457): every refusal has the same form, whoever makes it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"
UNUSABLE: Final = "The request can't be used as it is: see errors."
MOST_FLAWS: Final = 100
OF_BODIES: Final = (400, 408, 413, 415)
"""How a body may be refused before anything looks into it."""


class Flaw(BaseModel):
    """One thing that is wrong with a request: where, and what to do."""

    model_config = ConfigDict(extra="forbid")

    where: str = Field(description="a place in the request, such as body.audience_id or query.limit")
    detail: str = Field(description="one sentence for a person")


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="about:blank, as the status says what kind of problem it is")
    title: str = Field(description="the words of the status")
    status: int = Field(description="the status of the answer", ge=400, le=599)
    detail: str = Field(description="one sentence for a person: what is wrong, and what to do")
    errors: list[Flaw] = Field(description="each thing that is wrong with the request, if several can be")


class Refusal(HTTPException):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        errors: Sequence[Flaw] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, sentence, headers)
        self.errors = tuple(errors)

    def response(self) -> Response:
        """The answer."""
        return problem(self.status_code, self.detail, errors=self.errors, headers=self.headers)


def problem(
    status: int, sentence: str, *, errors: Sequence[Flaw] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with a problem document."""
    document = Problem(
        type="about:blank", title=title(status), status=status, detail=sentence, errors=list(errors)
    )
    return Response(
        document.model_dump_json(), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def title(status: int) -> str:
    """The words of a status."""
    return HTTPStatus(status).phrase


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, as the OpenAPI document lists them."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": title(status), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
