"""Whatever is refused is refused in one form, and never tells more than it should."""

import json
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI

from producer.application import Producer
from producer.http.bodies import LARGEST
from producer.http.frame import Frame
from producer.http.problems import Problem
from tests.http.conftest import Caller
from tests.producer.conftest import AUDIENCE

EXPORT = {
    "name": "monthly",
    "connection": "newsletter",
    "audience_id": AUDIENCE,
    "segments": ["loyal"],
    "email": "email",
}


def problem_of(answer: httpx.Response, *statuses: int) -> Problem:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.content)
    assert found.status == answer.status_code
    assert found.type == "about:blank"
    assert found.detail
    return found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/v1/runs/", 404),
        ("GET", "/v1/runs/nothing", 404),
        ("GET", "/v1/exports/nothing", 404),
        ("DELETE", "/v1/runs", 405),
        ("TRACE", "/v1/runs", 405),
        ("GET", "/v1/runs?limit=0", 422),
        ("GET", "/v1/runs?limit=201", 422),
        ("GET", "/v1/runs?limit=" + "9" * 5000, 422),
        ("GET", "/v1/runs/" + "a" * 101, 422),
        ("GET", "/v1/runs/%00", 422),
        ("GET", "/v1/runs/%2e%2e%2f", 404),
        ("GET", "/v1/runs/%ff", 422),
        ("POST", "/v1/exports", 422),
    ],
)
def test_a_refusal_is_a_problem_document(administrator: Caller, method: str, path: str, status: int) -> None:
    problem_of(administrator(method, path), status)


def test_every_answer_has_the_headers_of_the_house(administrator: Caller, nobody: Caller) -> None:
    for answer in (administrator("GET", "/v1/runs"), nobody("GET", "/v1/runs"), nobody("GET", "/nothing")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


def test_a_body_with_something_wrong_says_all_of_it(administrator: Caller) -> None:
    wrong = EXPORT | {"audience_id": "short", "mode": "sideways", "segments": ["nothing"]}
    found = problem_of(administrator("POST", "/v1/exports", json=wrong), 422)
    told = " ".join(flaw.detail for flaw in found.errors)
    assert "audience_id" in told
    assert "mode" in told
    assert "nothing" in told


def test_a_body_may_be_so_large_and_no_larger(administrator: Caller) -> None:
    padded = json.dumps(EXPORT).encode().ljust(LARGEST)
    typed = {"Content-Type": "application/json"}
    assert administrator("POST", "/v1/exports", content=padded, headers=typed).status_code == 201
    problem_of(administrator("POST", "/v1/exports", content=padded + b" ", headers=typed), 413)


def test_a_body_without_a_length_is_counted_as_it_comes(administrator: Caller) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65536

    answer = administrator(
        "POST", "/v1/exports", content=endless(), headers={"Content-Type": "application/json"}
    )
    problem_of(answer, 413)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "APPLICATION/JSON; charset=utf-8"}, 201),
    ],
)
def test_a_body_has_a_known_type_and_no_encoding(
    administrator: Caller, headers: dict[str, str], status: int
) -> None:
    answer = administrator("POST", "/v1/exports", content=json.dumps(EXPORT), headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"name":' * 1000,
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": NaN}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"name": {}}',
        b'{"name": "a\\u0000b"}',
        b'{"\\u0000": 1, "name": "x"}',
        b'{"name": "x", "segments": {"a": [[[[]]]]}, "max_profiles": 1e300}',
    ],
    ids=lambda content: repr(content[:24]),
)
@pytest.mark.parametrize(
    "path", ["/v1/exports", "/v1/connections", "/v1/segments", "/v1/tokens", "/v1/refreshes"]
)
def test_a_hostile_body_is_refused(administrator: Caller, path: str, content: bytes) -> None:
    answer = administrator("POST", path, content=content, headers={"Content-Type": "application/json"})
    problem_of(answer, 400, 422)


@pytest.mark.parametrize(
    "content",
    [
        b"a: &a [x]\nb: &b [*a, *a]\nconnections: *b\n",
        b"connections: !!python/object/apply:os.system [id]\n",
        b"[" * 10_000,
        b"\xff\xfe",
        b"",
    ],
    ids=["aliases", "objects", "deep", "no text", "nothing"],
)
def test_a_hostile_catalog_is_refused(administrator: Caller, content: bytes) -> None:
    headers = {"Content-Type": "application/yaml"}
    problem_of(administrator("POST", "/v1/catalog", content=content, headers=headers), 422)


def test_a_fault_of_ours_tells_nobody_what_it_was(app: FastAPI, nobody: Caller, logged: list[Any]) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise ValueError("dana@example.com")

    answer = nobody("GET", "/broken")
    assert "ValueError" not in problem_of(answer, 500).model_dump_json()
    assert "dana" not in answer.text
    assert [each["event"] for each in logged] == ["http.fault", "http.request"]


def test_a_redis_that_is_gone_is_said_so_and_nothing_is_told_of_it(
    producer: Producer, administrator: Caller, nobody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("redis://somebody:secret@10.0.0.1")

    monkeypatch.setattr(producer.client, "execute_command", gone)
    for answer in (administrator("GET", "/v1/runs"), nobody("GET", "/readyz")):
        problem_of(answer, 503)
        assert "secret" not in answer.text
    assert nobody("GET", "/healthz").status_code == 200


def test_a_process_that_is_ready_says_so(nobody: Caller) -> None:
    assert nobody("GET", "/readyz").json() == {"status": "ready"}


def test_more_requests_than_fit_are_sent_away(app: FastAPI, nobody: Caller) -> None:
    nobody.app = Frame(app, most=0)  # type: ignore[assignment]
    answer = nobody("GET", "/healthz")
    problem_of(answer, 503)
    assert answer.headers["retry-after"] == "1"


def test_a_query_that_means_nothing_is_not_passed_over(administrator: Caller) -> None:
    found = problem_of(administrator("GET", "/v1/runs?statsu=failed"), 422)
    assert found.errors[0].where == "query.statsu"
    assert "status" in found.errors[0].detail


@pytest.mark.parametrize(
    ("method", "path", "body", "where", "detail"),
    [
        ("GET", "/v1/runs?limit=201", None, "query.limit", "It is too large: give 200 or less."),
        ("GET", "/v1/runs?limit=0", None, "query.limit", "It is too small: give 1 or more."),
        ("GET", "/v1/runs?limit=many", None, "query.limit", "It is no whole number: give one."),
        ("POST", "/v1/exports/weekly/runs?full=often", None, "query.full", "It is neither true nor false"),
        ("POST", "/v1/refreshes", {}, "body.refresh_id", "It is missing: give it."),
        ("POST", "/v1/refreshes", {"refresh_id": 7}, "body.refresh_id", "It is no text: write it in quotes."),
        (
            "POST",
            "/v1/refreshes",
            {"refresh_id": "r", "all": 1},
            "body.all",
            "It is not known here: leave it",
        ),
        ("POST", "/v1/refreshes", {"refresh_id": "r" * 201}, "body.refresh_id", "more than 200 characters"),
        (
            "POST",
            "/v1/refreshes",
            {"refresh_id": "r", "segments": []},
            "body.segments",
            "fewer than 1 entries",
        ),
        ("POST", "/v1/refreshes", {"refresh_id": "r", "segments": "s"}, "body.segments", "It is no list"),
        ("POST", "/v1/refreshes", [], "body", "It is no object: write keys and values in braces."),
        (
            "POST",
            "/v1/tokens",
            {"name": "t", "role": "boss"},
            "body.role",
            "give 'viewer', 'contributor' or 'administrator'.",
        ),
        (
            "POST",
            "/v1/tokens",
            {"name": "t", "role": "viewer", "expires_at": "soon"},
            "body.expires_at",
            "It is no moment: write it like 2027-01-31T12:00:00Z.",
        ),
    ],
)
def test_what_can_not_be_used_is_said_with_what_to_do(  # noqa: PLR0917 - one case
    administrator: Caller, method: str, path: str, body: Any, where: str, detail: str
) -> None:
    answer = administrator(method, path, **({} if body is None else {"json": body}))
    found = problem_of(answer, 422)
    (flaw,) = [flaw for flaw in found.errors if flaw.where == where]
    assert detail in flaw.detail
