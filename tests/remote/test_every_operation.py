"""The table of calls is held against the operations and against the OpenAPI document."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from inspect import signature, unwrap
from typing import Any

import pytest

from producer import operations
from producer.access import RULES
from producer.application import Producer
from producer.http.app import create_app
from producer.remote.calls import CALLS, ROWS, Call

FOLLOWED = {"watch_run"}
"""What is not one call, but asks others again and again."""

ALL = {**CALLS, "rejected_rows": ROWS}


def found() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each operation that there is, as it was written."""
    for module in pkgutil.iter_modules(operations.__path__):
        for name, each in vars(importlib.import_module(f"producer.operations.{module.name}")).items():
            if name in RULES and each is not unwrap(each):
                yield name, unwrap(each)


OPERATIONS = dict(found())
OPENAPI = create_app(Producer()).openapi()
DESCRIBED: dict[str, tuple[str, str, dict[str, Any]]] = {
    described["operationId"]: (method.upper(), path, described)
    for path, methods in OPENAPI["paths"].items()
    for method, described in methods.items()
}

each_call = pytest.mark.parametrize(("name", "call"), ALL.items(), ids=list(ALL))


def test_every_operation_can_be_asked_from_elsewhere() -> None:
    assert OPERATIONS.keys() == ALL.keys() | FOLLOWED


def test_every_operation_of_the_document_can_be_asked() -> None:
    assert DESCRIBED.keys() & RULES.keys() == ALL.keys() | FOLLOWED


@each_call
def test_an_operation_is_asked_as_the_document_says(name: str, call: Call) -> None:
    method, path, described = DESCRIBED[name]
    assert (call.method, re.sub("{.*?}", "{}", "/v1" + call.path)) == (method, re.sub("{.*?}", "{}", path))
    arguments = set(list(signature(OPERATIONS[name]).parameters)[1:]) - set(re.findall("{(.*?)}", call.path))
    of_query = arguments if method in {"GET", "DELETE"} else set(call.query)
    known = {each["name"] for each in described.get("parameters", []) if each["in"] == "query"}
    assert of_query == known - ({"format"} if name == "rejected_rows" else set())
    if name != "apply_catalog":
        assert_body(described, arguments - of_query - {call.spread})


def assert_body(described: dict[str, Any], keys: set[str]) -> None:
    """The keys that are sent are known, and none is missing."""
    body = described.get("requestBody")
    if body is None:
        assert keys == set()
        return
    schema = body["content"]["application/json"]["schema"]
    for each in (schema, *schema.get("anyOf", [])):
        if "$ref" in each:
            schema = OPENAPI["components"]["schemas"][each["$ref"].rpartition("/")[2]]
    assert keys <= schema["properties"].keys()
    if keys - {"name"}:
        assert set(schema.get("required", [])) <= keys
