import json

import pytest

from producer.application import Producer
from producer.events import run_export
from producer.retrying import retry_run
from tests.producer.conftest import SegmentExport, Work
from worker.errors import UsageError
from worker.exports.outcomes import ReportLine
from worker.exports.runs import Trigger
from worker.store.reports import drop_report, write_part

REJECTED = ReportLine("loyal", 7, "anna@inbox.example", "rejected", "ERROR_GENERIC", "", "looks fake")
INVALID = ReportLine("loyal", 9, "=1+1", "invalid", "email_malformed", "email", "no usable address")
NAMELESS = ReportLine("", 0, "", "failed", "staged_data_lost", "", "It was lost.")


def ended(producer: Producer, work: Work, *lines: ReportLine, refresh: str | None = None) -> str:
    """A run that has ended with one rejected profile, and this report."""
    trigger = Trigger("refresh", refresh) if refresh else Trigger("manual")
    run_id, _ = producer.runs.create("r1", export="weekly", trigger=trigger, segments=["loyal"])
    write_part(producer.objects, producer.keyring, run_id, "a", lines)
    work.plan(run_id, read=100)
    work.deliver(run_id, 1, members=100, rejected=1)
    work.finish(run_id, ["a"])
    return run_id


def test_a_retry_is_a_run_of_its_own_that_reads_the_same_refresh(
    catalog: Producer, segment_export: SegmentExport, work: Work
) -> None:
    run_id = ended(catalog, work, INVALID, REJECTED, refresh="r-7")
    result = segment_export("retry", run_id, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["trigger"] == {"kind": "retry", "refresh_id": "r-7", "run_id": run_id}
    assert (document["export"], document["status"]) == ("weekly", "queued")
    assert f"retry of {run_id}" in segment_export("status", document["run_id"]).stdout


def test_a_retry_of_a_run_on_demand_has_no_refresh(catalog: Producer, work: Work) -> None:
    assert retry_run(catalog, ended(catalog, work, REJECTED)).trigger.refresh_id is None


def test_a_run_that_has_not_ended_is_not_retried(catalog: Producer, segment_export: SegmentExport) -> None:
    run_id = run_export(catalog, "weekly").run_id
    result = segment_export("retry", run_id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Run {run_id} has not ended (queued): retry it when it has.\n"


def test_a_run_without_anybody_to_retry_is_not_retried(catalog: Producer, work: Work) -> None:
    run_id = run_export(catalog, "weekly").run_id
    work.do(run_id, invalid=3)
    with pytest.raises(UsageError, match=r"^Run \S+ has no failed or rejected profiles: .* nothing to retry"):
        retry_run(catalog, run_id)


def test_a_report_that_has_expired_is_told(catalog: Producer, work: Work) -> None:
    run_id = ended(catalog, work, REJECTED)
    drop_report(catalog.objects, run_id)
    with pytest.raises(
        UsageError, match=r"^The report of run r1 has expired, .* `segment-export run weekly`"
    ):
        retry_run(catalog, run_id)


def test_a_report_that_names_nobody_is_told(catalog: Producer, work: Work) -> None:
    run_id = ended(catalog, work, INVALID, NAMELESS)
    with pytest.raises(UsageError, match=r"does not name those who failed, .* `segment-export run weekly`"):
        retry_run(catalog, run_id)


def test_a_retry_does_not_push_another_run_out_of_its_place(catalog: Producer, work: Work) -> None:
    run_id = ended(catalog, work, REJECTED)
    run_export(catalog, "weekly")
    waiting = run_export(catalog, "weekly").run_id
    with pytest.raises(UsageError, match=r"^Another run of export weekly is held or waits already: retry"):
        retry_run(catalog, run_id)
    assert catalog.runs.document(waiting).status == "queued"


def test_an_export_that_is_gone_is_not_retried(catalog: Producer, work: Work) -> None:
    run_id, _ = catalog.runs.create("r2", export="gone", trigger=Trigger("manual"))
    work.do(run_id, rejected=1)
    with pytest.raises(UsageError, match="There is no export 'gone'"):
        retry_run(catalog, run_id)
