"""Every operation of the OpenAPI document is for those whom its rule names, and for nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from producer.access import RULES, Role
from producer.application import Producer
from producer.http.app import create_app
from tests.http.conftest import Caller


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str


def _operations() -> Iterator[Operation]:
    for path, methods in create_app(Producer()).openapi()["paths"].items():
        for method, about in methods.items():
            if about.get("security"):
                yield Operation(about["operationId"], method, path)


OPERATIONS = tuple(_operations())

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


def test_whatever_has_a_rule_can_be_asked_for_and_nothing_else() -> None:
    assert {operation.name for operation in OPERATIONS} == RULES.keys()


def test_nothing_but_health_and_signed_events_is_open_to_those_without_a_token() -> None:
    paths = create_app(Producer()).openapi()["paths"]
    open_to_all = {
        path for path, methods in paths.items() for about in methods.values() if "security" not in about
    }
    assert open_to_all == {"/healthz", "/readyz", "/v1/events"}


@operations
@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_its_rule_says(
    operation: Operation, role: Role, callers: dict[Role, Caller]
) -> None:
    answer = _call(callers[role], operation)
    if role.covers(RULES[operation.name]):
        assert answer not in {401, 403}
    else:
        assert answer == 403


@operations
def test_without_a_token_nothing_is_done(operation: Operation, nobody: Caller) -> None:
    assert _call(nobody, operation) == 401


def _call(caller: Caller, operation: Operation) -> int:
    path = operation.path.replace("{", "").replace("}", "")
    return caller(operation.method, path).status_code
