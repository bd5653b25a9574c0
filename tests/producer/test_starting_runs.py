import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from producer.application import Producer
from producer.events import refresh_finished, run_all, run_export
from tests.producer.conftest import SegmentExport, Work
from worker import messages
from worker.broker import NAMESPACE
from worker.errors import UsageError


def queued(producer: Producer) -> list[dict[str, object]]:
    """The messages in the queue, in order."""
    client: Any = producer.doorbell._broker.client
    name = f"{NAMESPACE}:{messages.QUEUE}"
    bodies = client.hmget(f"{name}.msgs", client.lrange(name, 0, -1))
    return [msgspec.json.decode(body) for body in bodies]


def test_a_refresh_starts_each_export_that_takes_a_refreshed_segment(catalog: Producer) -> None:
    refreshed = refresh_finished(catalog, "r1", ["churn"])
    assert [run.export for run in refreshed.runs] == ["both"]
    assert refreshed.runs[0].trigger.refresh_id == "r1"
    assert refreshed.runs[0].status == "queued"


def test_a_refresh_of_everything_starts_all_exports_but_those_run_by_hand(catalog: Producer) -> None:
    assert [run.export for run in refresh_finished(catalog, "r1").runs] == ["both", "weekly"]


def test_a_refresh_sends_one_message_for_each_run(catalog: Producer) -> None:
    runs = refresh_finished(catalog, "r1").runs
    sent = queued(catalog)
    assert [message["actor_name"] for message in sent] == [messages.EXPORT_SEGMENT] * 2
    assert [message["kwargs"] for message in sent] == [{"v": 1, "run": run.run_id} for run in runs]


def test_the_same_refresh_again_starts_nothing_and_gives_the_same_runs(catalog: Producer) -> None:
    first = refresh_finished(catalog, "r1", ["loyal"])
    again = refresh_finished(catalog, "r1", ["loyal"])
    assert [run.run_id for run in again.runs] == [run.run_id for run in first.runs]
    assert len(catalog.runs.recent()) == len(queued(catalog)) == 2


def test_the_rest_of_a_refresh_follows_the_run_of_its_first_segment(catalog: Producer) -> None:
    (first,) = refresh_finished(catalog, "r1", ["churn"]).runs
    later = {run.export: run.run_id for run in refresh_finished(catalog, "r1", ["loyal"]).runs}
    assert later["both"] != first.run_id
    assert refresh_finished(catalog, "r1", ["churn"]).runs[0].run_id == first.run_id


def test_several_refreshes_behind_an_active_run_coalesce_into_the_newest(
    catalog: Producer, work: Work
) -> None:
    first, second, third = (refresh_finished(catalog, name, ["churn"]).runs[0] for name in ("r1", "r2", "r3"))
    assert catalog.runs.document(second.run_id).status == "skipped"
    work.connection = "second"
    work.do(first.run_id)
    work.do(third.run_id)
    assert catalog.runs.document(third.run_id).status == "successful"


def test_unknown_segments_are_reported_and_known_ones_run(catalog: Producer) -> None:
    refreshed = refresh_finished(catalog, "r1", ["nobody", "churn", "loyl"])
    assert refreshed.unknown == ("loyl", "nobody")
    assert [run.export for run in refreshed.runs] == ["both"]


def test_a_refresh_of_unknown_segments_alone_starts_nothing(catalog: Producer) -> None:
    with pytest.raises(UsageError, match=r"Segment 'loyl' is not in the catalog; did you mean loyal\?"):
        refresh_finished(catalog, "r1", ["loyl"])
    with pytest.raises(UsageError, match="Segments 'a', 'b' are not in the catalog: apply a file"):
        refresh_finished(catalog, "r1", ["b", "a"])
    assert catalog.runs.recent() == []


def test_a_sentence_about_a_thousand_unknown_segments_stays_short(catalog: Producer) -> None:
    with pytest.raises(UsageError, match="and 990 more are not in the catalog") as refused:
        refresh_finished(catalog, "r1", [f"segment-{number:04}" * 100 for number in range(1000)])
    assert len(str(refused.value)) < 1200


@pytest.mark.parametrize("refresh_id", ["2026-11-24T02:00:00+01:00", "a", "x" * 200, "_._"])
def test_usual_refresh_ids_are_taken(catalog: Producer, refresh_id: str) -> None:
    assert refresh_finished(catalog, refresh_id, ["churn"]).runs[0].trigger.refresh_id == refresh_id


@pytest.mark.parametrize(
    "refresh_id", ["", "x" * 201, "..", "a..b", "a/b", "a b", "a\n", "ä", "٣", "{refresh_id}", "a\0"]
)
def test_other_refresh_ids_are_refused_in_a_sentence(catalog: Producer, refresh_id: str) -> None:
    with pytest.raises(UsageError, match=r"can't be used: give 1 to 200 letters"):
        refresh_finished(catalog, refresh_id)
    assert catalog.runs.recent() == []


def test_an_export_runs_on_demand_as_often_as_it_is_asked_for(catalog: Producer) -> None:
    first = run_export(catalog, "by-hand")
    second = run_export(catalog, "by-hand", full=True)
    assert first.run_id != second.run_id
    assert first.trigger.kind == "manual"
    assert [facts.full for run in (first, second) if (facts := catalog.runs.facts(run.run_id))] == [
        False,
        True,
    ]


def test_running_all_leaves_out_what_is_run_by_hand(catalog: Producer) -> None:
    assert [run.export for run in run_all(catalog)] == ["both", "weekly"]


def test_run_prints_the_run_document_and_nothing_else_on_standard_output(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    result = segment_export("run", "weekly", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert list(document) == [
        *("run_id", "export", "trigger", "status", "profiles", "removed", "resubscribed"),
        *("chunks", "api_calls", "started_at", "finished_at", "error", "lint"),
    ]
    assert document["lint"] == {}
    assert document["run_id"] == catalog.runs.recent()[0].run_id
    assert "is queued" in result.stderr


@pytest.mark.here
def test_run_tells_people_how_to_follow_and_that_no_worker_runs(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    result = segment_export("run", "weekly")
    run_id = catalog.runs.recent()[0].run_id
    assert result.stdout == f"Run {run_id} of weekly is queued.\n"
    assert f"segment-export watch {run_id}" in result.stderr
    assert "No worker is running: start one with" in result.stderr


def test_run_says_nothing_of_workers_when_one_is_alive(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    catalog.presence.seen()
    assert "No worker" not in segment_export("run", "weekly").stderr


@pytest.mark.usefixtures("catalog")
def test_refresh_and_run_all_print_all_their_run_documents(segment_export: SegmentExport) -> None:
    refreshed = json.loads(segment_export("refresh", "r1", "--json").stdout)
    everything = json.loads(segment_export("run", "--all", "--json").stdout)
    assert (refreshed["refresh_id"], everything["refresh_id"]) == ("r1", None)
    for document in (refreshed, everything):
        assert list(document) == ["refresh_id", "runs"]
        assert [run["export"] for run in document["runs"]] == ["both", "weekly"]


@pytest.mark.usefixtures("catalog")
def test_refresh_warns_of_unknown_segments_on_standard_error(segment_export: SegmentExport) -> None:
    result = segment_export("refresh", "r1", "--segment", "churn", "--segment", "nope", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["runs"]) == 1
    assert "Segment 'nope' is not in the catalog" in result.stderr


def test_a_refresh_that_nobody_listens_to_says_so(producer: Producer, segment_export: SegmentExport) -> None:
    result = segment_export("refresh", "r1", "--wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"refresh_id": "r1", "runs": []}
    assert "Nothing to run" in result.stderr
    assert segment_export("run", "--all").stderr == "Nothing to run: no export runs by itself.\n"
    assert producer.runs.recent() == []


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "weekly", "--all"), ("refresh",), ("run", "--dry-run")]
)
def test_wrong_usage_exits_with_2(segment_export: SegmentExport, arguments: tuple[str, ...]) -> None:
    result = segment_export(*arguments)
    assert result.exit_code == 2
    assert "Usage: segment-export" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "weekl"), "There is no export 'weekl'; did you mean weekly?"),
        (("refresh", "a/../b"), "The refresh id 'a/../b' can't be used: give 1 to 200 letters"),
        (("refresh", "r1", "--segment", "nope"), "Segment 'nope' is not in the catalog: apply a file"),
    ],
)
@pytest.mark.usefixtures("catalog")
def test_what_cant_be_started_is_one_sentence_and_exit_1(
    segment_export: SegmentExport, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segment_export(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(sentence)
    assert result.stderr.count("\n") == 1


def test_waiting_for_a_successful_run_exits_with_0_and_prints_its_summary(
    segment_export: SegmentExport, workers: Callable[..., None]
) -> None:
    workers(read=12_345)
    result = segment_export("run", "weekly", "--wait")
    assert result.exit_code == 0
    figures = dict(line.rsplit(maxsplit=1) for line in result.stdout.splitlines() if line.strip())
    assert figures["status"] == "successful"
    assert (figures["profiles read"], figures["  created"], figures["resubscribed"]) == (
        "12,345",
        "12,345",
        "0",
    )
    assert "weekly" in result.stderr
    assert "successful, 12,345 of 12,345 profiles (100 %)" in result.stderr


def test_waiting_with_json_prints_the_final_document_alone(
    segment_export: SegmentExport, workers: Callable[..., None]
) -> None:
    workers()
    result = segment_export("run", "weekly", "--wait", "--json")
    assert json.loads(result.stdout)["status"] == "successful"
    assert "profiles read" in result.stderr


def test_waiting_for_a_run_that_left_somebody_out_exits_with_1_and_says_how_to_find_them(
    catalog: Producer, segment_export: SegmentExport, workers: Callable[..., None]
) -> None:
    workers(read=200, invalid=10, rejected=3)
    result = segment_export("run", "weekly", "--wait")
    assert result.exit_code == 1
    run_id = catalog.runs.recent()[0].run_id
    assert f"13 left out; who and why: segment-export rejected {run_id}" in result.stdout


def test_waiting_for_a_refresh_gives_all_final_documents(
    segment_export: SegmentExport, workers: Callable[..., None]
) -> None:
    workers()
    result = segment_export("refresh", "r1", "--wait", "--json")
    assert result.exit_code == 0
    assert [run["status"] for run in json.loads(result.stdout)["runs"]] == ["successful"] * 2
