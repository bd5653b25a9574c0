"""What an answer is, and the problem documents that tell of failures."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
GLOSSARY = "https://mailchimp.com/developer/marketing/docs/errors/"
ANY_OF = "Data did not match any of the schemas described in anyOf."

encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer, before it is sent; `content_type` is empty where there is no body."""

    status: int
    body: bytes = b""
    content_type: str = JSON


class FieldError(msgspec.Struct, frozen=True):
    """One line of a problem document's `errors`."""

    field: str
    message: str


class Problem(Exception):
    """A refusal of the whole call, told as a problem document."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)

    def answer(self) -> Answer:
        document: dict[str, Any] = {
            "type": GLOSSARY,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": str(uuid.uuid4()),
        }
        if self.errors:
            document["errors"] = self.errors
        return Answer(self.status, encode(document), PROBLEM)


def ok(document: Any) -> Answer:
    """A 200 with a JSON document."""
    return Answer(200, encode(document))


def nothing() -> Answer:
    """A 204."""
    return Answer(204, b"", "")


def not_found() -> Problem:
    return Problem(404, "Resource Not Found", "The requested resource could not be found.")


def invalid(detail: str, *errors: FieldError) -> Problem:
    """A 400 for something that is well-formed but can't be."""
    return Problem(400, "Invalid Resource", detail, errors)


def bad_shape(field: str, message: str) -> Problem:
    """The 400 for a body that no schema fits, which takes all its members with it (users' reports)."""
    return invalid(ANY_OF, FieldError(field, message))


def unauthorized() -> Problem:
    detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    return Problem(401, "API Key Invalid", detail)


def too_many_connections() -> Problem:
    return Problem(429, "Too Many Requests", "You have exceeded the limit of simultaneous connections.")


def under_review() -> Problem:
    return Problem(503, "ComplianceRelated", "This method has been disabled.")
