"""Read me first: what the product does, from a finished refresh to an audience that equals the segments."""

import csv
import io

from tests.catalogs import TAGS
from tests.fundamentals.audit import assert_accounted, assert_exact
from tests.mailchimp_standin.faults import Poison
from tests.profiles import Segments
from tests.system import System, wait_until


def refresh(system: System, made: Segments, refresh_id: str = "2026-11-24") -> str:
    """A refresh has finished: the run that it triggers."""
    made.write(system.data / refresh_id)
    runs = system.ask("refresh", refresh_id)["runs"]
    assert len(runs) == 1
    return str(runs[0]["run_id"])


def test_a_finished_refresh_puts_the_segments_into_the_audience(system: System, small: Segments) -> None:
    """Members, attributes and tags are exactly those of the segments, and every profile is accounted for."""
    run = system.finished(refresh(system, small))
    assert run.status == "partial", "twelve made-up addresses are refused by Mailchimp"
    assert run.profiles["rejected"] == 12
    assert_exact(system, run, small)


def test_the_command_line_waits_and_says_how_it_went(system: System, small: Segments) -> None:
    """Exit status 1 and the final document for a run with refused profiles."""
    small.write(system.data / "r1")
    done = system.command("refresh", "r1", "--wait", check=False, capture_output=True)
    assert done.returncode == 1
    assert "rejected" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_same_refresh_twice_creates_nothing_twice(system: System, small: Segments) -> None:
    """A repeated event is answered with the run that it created before."""
    first = refresh(system, small)
    system.finished(first)
    calls = system.standin.account().statistics().calls
    assert refresh(system, small) == first
    assert [run.run_id for run in system.runs.recent()] == [first]
    assert system.standin.account().statistics().calls == calls


def test_refreshes_that_come_while_a_run_is_active_become_one_successor(
    system: System, small: Segments
) -> None:
    """The newest waits behind the active run; those between are skipped, with a sentence."""
    system.command("pause", "newsletter", capture_output=True)
    first, second, third = (refresh(system, small, f"r{number}") for number in (1, 2, 3))
    system.command("resume", "newsletter", capture_output=True)
    assert system.finished(first).status == "partial"
    assert system.finished(second).status == "skipped"
    run = system.finished(third)
    assert run.trigger.refresh_id == "r3"
    assert run.profiles["unchanged"] == system.runs.document(first).profiles["created"]
    assert_exact(system, run, small)


def test_one_poisoned_member_is_found_and_the_others_arrive(system: System, small: Segments) -> None:
    """Mailchimp refuses a whole call for one member; halving finds the one to blame."""
    address = small.loyal["email"].to_list()[0].strip().lower()
    system.standin.add_fault(Poison(pattern=f"^{address}$"))
    run = system.finished(refresh(system, small))
    assert run.profiles["rejected"] == 13
    assert_accounted(system, run, small)
    assert address not in system.standin.audience().members()
    assert address in {line["email"] for line in system.report(run.run_id)}


def test_the_report_opens_in_a_spreadsheet(system: System, small: Segments) -> None:
    """CSV with a header, one line for each profile that is not there, each traced to its row."""
    run_id = refresh(system, small)
    system.finished(run_id)
    text = system.command("rejected", run_id, capture_output=True).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    refused = [row for row in rows if row["outcome"] == "rejected"]
    tables = {"loyal-customers": small.loyal, "churn-risk": small.churning}
    for row in refused:
        source = tables[row["segment"]]["email"][int(row["row"]) - 1]
        assert source.strip().lower() == row["email"]
        assert row["code"] == "ERROR_GENERIC"


def test_a_small_run_does_not_wait_behind_a_large_one(
    system: System, small: Segments, large: Segments
) -> None:
    """Two exports on one connection take turns; the slots are shared, the limit holds."""
    system.standin.set_latency(0.6)
    system.apply(second_export(system))
    large.write(system.data / "big")
    small.write(system.data / "small")
    big = system.ask("refresh", "big", "--segment", "loyal-customers")["runs"][0]["run_id"]
    wait_until(lambda: system.runs.document(big).chunks.done > 5, "the large run is under way")
    quick = system.ask("run", "quick")["run_id"]
    assert system.finished(quick).status == "partial"
    assert not system.runs.document(big).ended
    system.finished(big)
    assert system.standin.account().high_water() == 10


def second_export(system: System) -> str:
    """Another export over the same connection, of a segment of its own."""
    catalog = (system.folder / "catalog.yaml").read_text()
    more = """\
  quick:
    connection: newsletter
    audience_id: a1b2c3d4e5
    segments: [quick]
    email: email
    run: manual
"""
    segment = f"""\
  quick:
    display_name: {TAGS[0]}
    source: {system.data}/small/churn-risk.parquet
"""
    return catalog.replace("exports:\n", f"{segment}exports:\n") + more


def test_cancel_stops_new_calls_within_a_second(system: System, large: Segments) -> None:
    """Calls in flight end and count; what was not sent is reported as such."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 5, "the run is under way")
    system.command("cancel", run_id, capture_output=True)
    run = system.finished(run_id, timeout=10)
    assert run.status == "canceled"
    assert run.profiles["failed"] > 0
    assert_accounted(system, run, large)
    ended = max(call.started for call in system.standin.account().calls())
    wait_until(lambda: system.standin.account().open == 0, "all calls have ended")
    assert max(call.started for call in system.standin.account().calls()) == ended


def test_a_paused_connection_gets_no_calls_until_it_is_resumed(system: System, small: Segments) -> None:
    """Pausing keeps runs waiting; resuming lets them go on where they were."""
    system.command("pause", "newsletter", capture_output=True)
    run_id = refresh(system, small)
    system.command("status", run_id, capture_output=True)
    assert system.standin.account().statistics().calls == {}
    system.command("resume", "newsletter", capture_output=True)
    assert_exact(system, system.finished(run_id), small)
