"""Rejected rows are a file that is safe to open; streams are so many and no more."""

import json

import pytest

from producer.application import Producer
from producer.http.problems import Refusal
from producer.http.progress import STREAMS, STREAMS_OF_TOKEN, Streams
from tests.http.conftest import Caller
from tests.producer.conftest import Work
from worker.exports.outcomes import ReportLine
from worker.store.reports import drop_report, write_part

LINES = [
    ReportLine("loyal", row, f"=cmd|{row}@example.com", "rejected", "odd", "", "<script>\n")
    for row in (1, 2, 3)
]


@pytest.fixture
def run_id(producer: Producer, administrator: Caller, work: Work) -> str:
    """A run that left three people out."""
    started: str = administrator("POST", "/v1/exports/weekly/runs").json()["run_id"]
    write_part(producer.objects, producer.keyring, started, "1", LINES)
    work.plan(started, read=200, chunk=200)
    work.deliver(started, 1, members=200, rejected=3)
    work.finish(started, ["1"])
    return started


def test_rows_come_as_a_file_whose_cells_are_no_formulas(administrator: Caller, run_id: str) -> None:
    answer = administrator("GET", f"/v1/runs/{run_id}/rejected")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="rejected-{run_id}.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.text.splitlines()) == 1 + len(LINES)
    assert '"\'=cmd|1@example.com"' in answer.text


def test_exact_values_come_as_ndjson(administrator: Caller, run_id: str) -> None:
    answer = administrator("GET", f"/v1/runs/{run_id}/rejected?format=ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["email"] for row in rows] == [line.email for line in LINES]


def test_a_report_that_has_expired_is_not_there(
    producer: Producer, administrator: Caller, run_id: str
) -> None:
    drop_report(producer.objects, run_id)
    answer = administrator("GET", f"/v1/runs/{run_id}/rejected")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_has_so_many_streams_and_gets_one_back_when_one_ends() -> None:
    streams = Streams()
    for _ in range(STREAMS_OF_TOKEN):
        streams.take("one")
    with pytest.raises(Refusal) as refused:
        streams.take("one")
    assert refused.value.status_code == 429
    streams.leave("one")
    streams.take("one")


def test_a_process_has_so_many_streams_whoever_asks() -> None:
    streams = Streams()
    for number in range(STREAMS):
        streams.take(f"{number}")
    with pytest.raises(Refusal):
        streams.take("another")


def test_the_stream_of_a_run_that_has_ended_is_its_document_and_ends(
    administrator: Caller, run_id: str
) -> None:
    answer = administrator("GET", f"/v1/runs/{run_id}/events")
    kind, data, *rest = answer.text.splitlines()
    assert kind == "event: run"
    assert json.loads(data.removeprefix("data: ")) == administrator("GET", f"/v1/runs/{run_id}").json()
    assert rest == [""]
