"""The OpenAPI document is complete, and true of run documents."""

import json
import re
from typing import Any

import msgspec
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from producer.http.answers import Profiles, Run
from tests.http.conftest import Caller
from worker.exports.outcomes import Outcome
from worker.exports.runs import ChunkCounts, Lint, RunDocument, Trigger

_TEXT = st.text(max_size=20)
_RUNS = st.builds(
    RunDocument,
    run_id=_TEXT,
    export=_TEXT,
    trigger=st.builds(Trigger, _TEXT, st.none() | _TEXT, st.none() | _TEXT),
    status=_TEXT,
    profiles=st.fixed_dictionaries({name: st.integers(0, 10**9) for name in ("read", *map(str, Outcome))}),
    removed=st.integers(0),
    resubscribed=st.integers(0),
    chunks=st.builds(ChunkCounts, st.integers(0), st.integers(0), st.integers(0)),
    api_calls=st.integers(0),
    started_at=st.none() | _TEXT,
    finished_at=st.none() | _TEXT,
    error=st.none() | _TEXT,
    lint=st.dictionaries(_TEXT, st.builds(Lint, st.integers(0), st.integers(0), st.lists(_TEXT))),
)


@given(_RUNS)
def test_a_run_is_the_same_document_over_http_as_on_the_command_line(run: RunDocument) -> None:
    over_http = Run.model_validate(run).model_dump_json()
    assert msgspec.json.decode(over_http) == msgspec.json.decode(msgspec.json.encode(run))


def test_every_outcome_is_described() -> None:
    assert set(Profiles.model_fields) == {"read", *Outcome}


def test_whatever_is_referred_to_is_there(app: FastAPI) -> None:
    document = app.openapi()
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references
    assert references <= document["components"]["schemas"].keys()


def test_names_of_schemas_are_for_people(app: FastAPI) -> None:
    assert [name for name in app.openapi()["components"]["schemas"] if not name.isalnum()] == []


def test_every_answer_and_every_refusal_has_a_schema(app: FastAPI) -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            for status, answer in about["responses"].items():
                assert answer["content"], f"{method} {path} {status}"
                if int(status) >= 400:
                    assert answer["content"].keys() == {"application/problem+json"}
            if about.get("security"):
                assert about["responses"].keys() >= {"401", "403", "422", "429", "500", "503"}


def test_every_parameter_is_described(app: FastAPI) -> None:
    for methods in app.openapi()["paths"].values():
        for about in methods.values():
            assert about["description"]
            assert all(each.get("description") for each in about.get("parameters", []))


def test_the_document_is_published_without_a_token(app: FastAPI, nobody: Caller) -> None:
    published: Any = nobody("GET", "/openapi.json").json()
    assert published == json.loads(json.dumps(app.openapi()))
