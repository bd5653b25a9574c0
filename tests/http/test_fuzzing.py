"""The API against its own OpenAPI document: no fault of ours, and no answer that is not described."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from producer.access import Role
from producer.application import Producer
from producer.desk import Desk
from producer.http import login
from producer.http.app import create_app
from producer.http.serving import server_of
from producer.operations.runs import run_export
from tests.http.conftest import token
from tests.mailchimp_standin import API_KEY, StandinProcess
from tests.producer.conftest import Work
from tests.system import wait_until
from worker.settings import Settings

EXAMPLES = 6
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    ignored_auth,
]
# a stream of a run that goes on has no end
KNOWN = {"exports": "weekly", "connections": "newsletter", "segments": "loyal"}

SCHEMA = schemathesis.openapi.from_dict(create_app(Producer()).openapi())
OPERATIONS = {
    result.ok().label: result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)
}


@dataclass
class Target:
    """A server in this process, an administrator, and a run that has ended."""

    url: str
    headers: dict[str, str]
    run_id: str

    def known(self, path: str) -> dict[str, str]:
        """What stands in the places of a path, so that the operation finds something."""
        topic = path.split("/")[2] if path.count("/") > 1 else ""
        return {"run": self.run_id} if topic == "runs" else {"name": KNOWN.get(topic, "nothing")}


@pytest.fixture(scope="module")
def standin() -> Iterator[StandinProcess]:
    with StandinProcess() as standin:
        yield standin


@pytest.fixture
def target(
    producer: Producer,
    work: Work,
    settings: Settings,
    standin: StandinProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Target]:
    monkeypatch.setenv("MAILCHIMP_API_KEY", API_KEY)
    monkeypatch.setattr(login, "FAILURES_OF_ADDRESS", 1_000_000)
    monkeypatch.setattr(login, "FAILURES_OF_TOKEN", 1_000_000)
    producer.settings = settings.model_copy(update={"mailchimp_url": standin.url})
    started = run_export(Desk.local(producer), "weekly")
    work.do(started.run_id, rejected=3)
    server = server_of(create_app(producer))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    wait_until(lambda: server.started, "the server has started")
    headers = {"Authorization": f"Bearer {token(producer, Role.ADMINISTRATOR)}"}
    yield Target(f"http://127.0.0.1:{listening.getsockname()[1]}", headers, started.run_id)
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_is_described(target: Target, label: str) -> None:
    operation = OPERATIONS[label]
    for mode in GenerationMode:
        conform(target, operation.as_strategy(mode))
        if "{" in operation.path:
            conform(target, operation.as_strategy(mode, path_parameters=target.known(operation.path)))


def conform(target: Target, cases: SearchStrategy[schemathesis.Case[Any]]) -> None:

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=target.url, headers=target.headers, checks=CHECKS, timeout=20)

    # of some operations nothing can be wrong
    with suppress(Unsatisfiable):
        ask()
