"""Connections and exports that are removed while they are at work: calls stop, and nothing is left behind."""

from tests.fundamentals.test_the_main_job import refresh
from tests.profiles import Segments
from tests.system import System, wait_until

EXPORT = "weekly-newsletter"


def left(system: System) -> set[str]:
    """What is in the store for somebody, but for reports."""
    store = system.folder / "store"
    files = (path.relative_to(store).parts for path in store.rglob("*") if path.is_file())
    return {parts[0] for parts in files} - {"reports"}


def test_a_removed_connection_gets_no_new_calls_and_leaves_nothing(system: System, large: Segments) -> None:
    """Within a second, although its run is in the middle; calls in flight end and count."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 5, "the run is under way")
    system.command("connection", "remove", "newsletter", "--exports", "detach", capture_output=True)
    run = system.finished(run_id, timeout=15)
    assert (run.status, run.error) == ("canceled", "Canceled, as connection newsletter was removed.")
    assert sum(count for name, count in run.profiles.items() if name != "read") == run.profiles["read"]
    wait_until(lambda: not system.runs.untidy(), "what was staged is gone")
    wait_until(lambda: not system.ledger.keys("se:conn:newsletter*"), "its slots are gone")
    assert left(system) <= {"snapshots"}
    (shown,) = system.ask("get", "exports", EXPORT)["exports"]
    assert (shown["status"], shown["connection"]) == ("detached", None)
    refused = system.command("run", EXPORT, check=False, capture_output=True)
    assert refused.stderr == f"Export {EXPORT} is detached: set its connection, then run it.\n"


def test_a_removed_export_is_forgotten_when_its_last_call_has_ended(system: System, large: Segments) -> None:
    """The workers end its run and delete what Mailchimp had accepted, without a command's help."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large)
    wait_until(lambda: system.runs.document(run_id).chunks.done > 5, "the run is under way")
    system.command("export", "remove", EXPORT, capture_output=True)
    assert system.finished(run_id, timeout=15).status == "canceled"
    wait_until(lambda: not system.runs.removing() and not system.runs.untidy(), "it is forgotten")
    assert not system.ledger.keys(f"se:export:{EXPORT}*")
    assert left(system) <= {"audiences"}
