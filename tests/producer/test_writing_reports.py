import csv
import io
import json
import stat
from pathlib import Path

import pytest

from producer.application import Producer
from producer.events import run_export
from tests.producer.conftest import SegmentExport, Work
from worker.exports.outcomes import ReportLine
from worker.store.reports import drop_report, write_part

LINES = [
    ReportLine("loyal", 7, "änne@example.com", "rejected", "ERROR_GENERIC", "", "looks fake"),
    ReportLine("loyal", 9, "=1+1", "invalid", "no_address", "email", "no usable address"),
]


@pytest.fixture
def run_id(catalog: Producer, work: Work) -> str:
    """A run that has ended, with a report in two parts."""
    run_id = run_export(catalog, "weekly").run_id
    for part, line in zip(("a", "b"), LINES, strict=True):
        write_part(catalog.objects, catalog.keyring, run_id, part, [line])
    work.plan(run_id, read=100, invalid=1)
    work.deliver(run_id, 1, members=99, rejected=1)
    work.finish(run_id, ["a", "b"])
    return run_id


def test_the_report_is_written_as_csv_that_a_spreadsheet_may_open(
    segment_export: SegmentExport, run_id: str
) -> None:
    result = segment_export("rejected", run_id)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode())))
    assert [(row["row"], row["email"]) for row in rows] == [("7", "änne@example.com"), ("9", "'=1+1")]


def test_the_report_is_written_as_ndjson_with_exact_values(
    segment_export: SegmentExport, run_id: str
) -> None:
    result = segment_export("rejected", run_id, "--format", "ndjson")
    assert [json.loads(line)["email"] for line in result.stdout.splitlines()] == ["änne@example.com", "=1+1"]


def test_the_report_is_written_to_a_file_for_its_owner_only(
    segment_export: SegmentExport, run_id: str, tmp_path: Path
) -> None:
    result = segment_export("rejected", run_id, "-o", "left-out.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "2 profiles written to left-out.csv.\n"
    file = tmp_path / "left-out.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text("utf-8") == segment_export("rejected", run_id, "-o", "-").stdout


def test_a_report_that_breaks_off_leaves_the_file_as_it_was(
    catalog: Producer, segment_export: SegmentExport, run_id: str, tmp_path: Path
) -> None:
    (tmp_path / "left-out.csv").write_text("before")
    drop_report(catalog.objects, run_id)
    result = segment_export("rejected", run_id, "-o", "left-out.csv")
    assert result.exit_code == 1
    assert "is missing from the store" in result.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"left-out.csv", "store"}
    assert (tmp_path / "left-out.csv").read_text() == "before"


def test_a_file_that_cant_be_written_is_one_sentence(segment_export: SegmentExport, run_id: str) -> None:
    result = segment_export("rejected", run_id, "-o", "nowhere/left-out.csv")
    assert result.exit_code == 1
    assert result.stderr == (
        "The file nowhere/left-out.csv can't be written (No such file or directory): name another.\n"
    )


def test_what_is_no_plain_file_is_written_to_as_it_is(segment_export: SegmentExport, run_id: str) -> None:
    assert segment_export("rejected", run_id, "-o", "/dev/null").exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_run_without_a_report_needs_neither_store_nor_key(
    catalog: Producer, segment_export: SegmentExport, tmp_path: Path
) -> None:
    run_id = run_export(catalog, "weekly").run_id
    result = segment_export("rejected", run_id)
    assert result.stdout == '"segment","row","email","outcome","code","field","message"\n'
    assert result.stderr == f"Run {run_id} has not ended (queued): there may be more.\n"
    assert list(tmp_path.iterdir()) == []
