import json

import pytest

from producer.application import Producer
from producer.events import run_export
from tests.producer.conftest import SegmentExport, Work


@pytest.fixture
def run_id(catalog: Producer) -> str:
    return run_export(catalog, "weekly").run_id


def test_status_prints_the_run_document(
    catalog: Producer, segment_export: SegmentExport, run_id: str
) -> None:
    result = segment_export("status", run_id, "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["profiles"]["read"] == 0
    assert json.loads(result.stdout)["run_id"] == catalog.runs.recent()[0].run_id


def test_status_of_a_run_that_went_wrong_is_not_itself_an_error(
    catalog: Producer, segment_export: SegmentExport, run_id: str
) -> None:
    catalog.runs.stop(run_id, status="failed", sentence="The file is missing: write it.")
    result = segment_export("status", run_id)
    assert result.exit_code == 0
    assert "failed" in result.stdout
    assert result.stdout.endswith("The file is missing: write it.\n")


@pytest.mark.parametrize("command", ["status", "watch", "cancel", "rejected"])
def test_an_unknown_run_is_one_sentence_and_exit_1(segment_export: SegmentExport, command: str) -> None:
    result = segment_export(command, "nope")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == ("There is no run nope: see `segment-export get runs` for those remembered.\n")


def test_canceling_a_run_that_waits_ends_it(
    catalog: Producer, segment_export: SegmentExport, run_id: str
) -> None:
    result = segment_export("cancel", run_id)
    assert (result.exit_code, result.stdout) == (0, f"Run {run_id} is canceled.\n")
    assert catalog.runs.document(run_id).error == "Canceled by an operator."


def test_canceling_a_run_lets_the_next_one_of_its_export_begin(
    catalog: Producer, segment_export: SegmentExport, run_id: str
) -> None:
    following = run_export(catalog, "weekly").run_id
    before = catalog.doorbell.backlog()
    segment_export("cancel", run_id)
    assert catalog.doorbell.backlog() == before + 1
    assert catalog.runs.claim_plan(following, tries=1)


def test_canceling_a_run_that_uploads_lets_open_calls_end(
    segment_export: SegmentExport, run_id: str, work: Work
) -> None:
    work.plan(run_id, read=2000)
    bells = list(work.bells)
    work.deliver(run_id, 1)
    result = segment_export("cancel", run_id, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["error"] == "Canceled by an operator."
    assert f"Run {run_id} stops" in result.stderr or "is canceled" in result.stderr
    assert bells


def test_canceling_twice_is_no_error(segment_export: SegmentExport, run_id: str, work: Work) -> None:
    assert work.producer.runs.claim_plan(run_id, tries=1)
    assert segment_export("cancel", run_id).stdout.startswith(f"Run {run_id} stops:")
    again = segment_export("cancel", run_id)
    assert again.exit_code == 0
    assert again.stdout.startswith(f"Run {run_id} is stopping already:")


def test_canceling_a_run_that_has_ended_is_refused(
    segment_export: SegmentExport, run_id: str, work: Work
) -> None:
    work.do(run_id)
    result = segment_export("cancel", run_id, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Run {run_id} has ended already (successful): there is nothing to cancel.\n"


def test_watching_a_run_that_has_ended_shows_its_summary_at_once(
    segment_export: SegmentExport, run_id: str, work: Work
) -> None:
    work.do(run_id, read=100, rejected=2)
    result = segment_export("watch", run_id)
    assert result.exit_code == 1
    assert "partial" in result.stdout
    assert "2 left out" in result.stdout


def test_pausing_stops_calls_and_resuming_rings_for_those_that_waited(
    segment_export: SegmentExport, run_id: str, work: Work
) -> None:
    slots, doorbell = work.producer.slots, work.producer.doorbell
    paused = segment_export("pause", "newsletter")
    assert paused.stdout.startswith("Connection newsletter is paused: no call begins;")
    work.plan(run_id, read=500)
    assert (work.bells, slots.state("newsletter").paused) == ([], True)

    before = doorbell.backlog()
    assert segment_export("resume", "newsletter").stdout == "Connection newsletter is resumed.\n"
    assert doorbell.backlog() == before + 5
    assert segment_export("resume", "newsletter").stdout == "Connection newsletter was not paused.\n"


def test_pausing_tells_of_calls_that_are_still_open(
    segment_export: SegmentExport, run_id: str, work: Work
) -> None:
    work.plan(run_id, read=200)
    assert "2 in flight will end" in segment_export("pause", "newsletter").stdout


@pytest.mark.parametrize("command", ["pause", "resume", "check"])
@pytest.mark.usefixtures("catalog")
def test_an_unknown_connection_is_one_sentence_and_exit_1(
    segment_export: SegmentExport, command: str
) -> None:
    result = segment_export(command, "newsleter")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "There is no connection 'newsleter'; did you mean newsletter?\n"
