"""Retrying what is missing, looking before leaping, emptying quarantine, and telling of bad values."""

from typing import Any

import polars as pl
import pytest

from tests.catalogs import TAGS, two_segments
from tests.fundamentals.audit import assert_accounted, assert_exact
from tests.fundamentals.test_only_what_changed import BATCHES, calls, exported
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin.faults import Poison
from tests.profiles import Segments, Shape, customers, split
from tests.system import System, wait_until

FLAWLESS = Shape(malformed=0, duplicate=0, refused=0)
EXPORT = "weekly-newsletter"


@pytest.fixture
def clean() -> pl.DataFrame:
    """2,000 customers without a fault."""
    return customers(2_000, shape=FLAWLESS)


def refused(system: System, *arguments: str) -> str:
    """What a command says that can't be done."""
    done = system.command(*arguments, check=False, capture_output=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def everything(system: System) -> tuple[dict[str, bytes], set[str]]:
    """All files of the store, and the keys of the ledger but for calls and chores."""
    wait_until(lambda: not system.runs.untidy(), "what was staged is gone")
    store = system.folder / "store"
    files = {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    keys = map(str, system.ledger.keys("se:*"))
    return files, {key for key in keys if not key.startswith(("se:conn", "se:turn", "se:workers"))}


# --- retry -----------------------------------------------------------------------------------------


def test_retry_sends_the_rejected_again_and_nobody_else(system: System, small: Segments) -> None:
    """Quarantined or not; who is taken now is unchanged in the next run, who is not stays in quarantine."""
    poisoned = small.loyal["email"].to_list()[0].strip().lower()
    system.standin.add_fault(Poison(pattern=f"^{poisoned}$"))
    first = exported(system, small, "r1")
    assert first.profiles["rejected"] == 13
    system.standin.clear_faults()
    small.write(system.data / "r2")
    system.standin.reset_statistics()
    again = system.ask("retry", first.run_id, "--wait", check=False)
    assert again["trigger"] == {"kind": "retry", "refresh_id": "r1", "run_id": first.run_id}
    assert again["status"] == "partial"
    assert (again["profiles"]["created"], again["profiles"]["rejected"]) == (1, 12)
    assert again["profiles"]["read"] == 13
    assert calls(system)[BATCHES] == 1
    run = exported(system, small, "r2")
    assert run.profiles["unchanged"] == first.profiles["created"] + 1
    assert run.profiles["suppressed"] == 12
    assert_exact(system, run, small)


def test_retry_completes_a_canceled_run(system: System, large: Segments) -> None:
    """What was not sent then is sent now, of the same files; the guard has let these people pass before."""
    system.standin.set_latency(0.3)
    run_id = refresh(system, large, "r1")
    wait_until(lambda: system.runs.document(run_id).chunks.done > 5, "the run is under way")
    system.command("cancel", run_id, capture_output=True)
    canceled = system.finished(run_id)
    assert canceled.profiles["failed"] > 10_000
    system.standin.set_latency(0.0)
    again = system.ask("retry", run_id, "--wait", check=False)
    assert again["status"] in {"successful", "partial"}
    missing = canceled.profiles["failed"] + canceled.profiles["rejected"]
    assert again["profiles"]["created"] + again["profiles"]["rejected"] == missing
    assert again["profiles"]["read"] == missing
    run = exported(system, large, "r2")
    assert run.profiles["created"] == 0
    assert_exact(system, run, large)


def test_a_retry_does_not_undo_what_is_newer(system: System, clean: pl.DataFrame) -> None:
    """Whoever has arrived since then is left as they are, although the retry reads older files."""
    made = split(clean)
    person = made.loyal["email"][0]
    system.standin.add_fault(Poison(pattern=f"^{person}$"))
    first = exported(system, made, "r1")
    assert first.profiles["rejected"] == 1
    system.standin.clear_faults()
    newer = Segments(made.loyal.with_columns(city=pl.lit("Elsewhere")), made.churning, made.malformed)
    exported(system, newer, "r2")
    again = system.ask("retry", first.run_id, "--wait")
    assert (again["profiles"]["read"], again["profiles"]["unchanged"]) == (1, 1)
    member = system.standin.audience().member(person)
    assert member is not None
    assert member.merge_fields["CITY"] == "Elsewhere"


def test_a_retry_in_mirror_mode_takes_nobody_out(system: System, clean: pl.DataFrame) -> None:
    """Those not asked for have left nothing, and are remembered."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(clean)
    system.standin.add_fault(Poison(pattern=f"^{made.loyal['email'][0]}$"))
    first = exported(system, made, "r1")
    system.standin.clear_faults()
    again = system.ask("retry", first.run_id, "--wait")
    assert (again["status"], again["removed"], again["profiles"]["created"]) == ("successful", 0, 1)
    fewer = Segments(made.loyal[1:], made.churning, made.malformed)
    run = exported(system, fewer, "r2")
    assert run.removed == 1
    assert run.profiles["unchanged"] == 1_999
    assert system.standin.audience().tags()[TAGS[0]] == fewer.loyal.height


def test_what_can_not_be_retried_is_said_in_a_sentence(
    system: System, small: Segments, clean: pl.DataFrame
) -> None:
    """A run that goes on, one without anybody to retry, one that would push in, one whose report is gone."""
    system.command("pause", "newsletter", capture_output=True)
    run_id = refresh(system, small, "r1")
    assert "has not ended" in refused(system, "retry", run_id)
    system.command("resume", "newsletter", capture_output=True)
    system.finished(run_id)
    good = exported(system, split(clean), "r2")
    assert "no failed or rejected profiles" in refused(system, "retry", good.run_id)
    system.command("pause", "newsletter", capture_output=True)
    refresh(system, small, "r3")
    waiting = refresh(system, small, "r4")
    assert "held or waits already" in refused(system, "retry", run_id)
    assert system.runs.document(waiting).status == "queued"
    system.command("resume", "newsletter", capture_output=True)
    system.finished(waiting)
    for path in (system.folder / "store" / "reports" / run_id).iterdir():
        path.unlink()
    assert "has expired" in refused(system, "retry", run_id)


# --- dry run ---------------------------------------------------------------------------------------


def dry(system: System, *more: str) -> dict[str, Any]:
    found = system.ask("run", EXPORT, "--dry-run", *more)
    assert isinstance(found, dict)
    return found


def test_a_dry_run_foretells_the_run(system: System, small: Segments) -> None:
    """The same counts as the run that follows, and nothing is written anywhere."""
    small.write(system.data / "r1")
    before = everything(system)
    system.standin.reset_statistics()
    told = dry(system)
    assert everything(system) == before
    assert all(name.startswith("GET") for name in calls(system))
    assert told["first"]
    assert told["guard"] is None
    run = system.finished(refresh(system, small, "r1"))
    would = {fate: group["count"] for fate, group in told["would"].items()}
    assert told["read"] == run.profiles["read"]
    assert would["new"] == run.profiles["created"] + run.profiles["rejected"]
    for fate in ("unchanged", "suppressed", "invalid", "duplicate"):
        assert would[fate] == run.profiles[fate]


def test_a_dry_run_tells_who_would_change_leave_and_be_left_alone(
    system: System, clean: pl.DataFrame
) -> None:
    """Ten examples each, by row and masked address; the guard's objection beside it."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(clean)
    exported(system, made, "r1")
    audience = system.standin.audience()
    gone = made.loyal["email"][0]
    audience.unsubscribe(gone)
    kept = made.loyal[:50].with_columns(
        city=pl.when(pl.col("customer_id").is_between(1, 20)).then(pl.lit("Elsewhere")).otherwise("city"),
        email=pl.when(pl.col("customer_id") == 30).then(pl.lit("new@inbox.example")).otherwise("email"),
    )
    Segments(kept, made.churning[:10], made.malformed).write(system.data / "r2")
    before, members = everything(system), audience.digest().fingerprint
    told = dry(system)
    assert audience.digest().fingerprint == members
    assert everything(system) == before
    counts = {fate: group["count"] for fate, group in told["would"].items()}
    nobody = dict.fromkeys(("again", "rejected", "invalid", "duplicate", "moved", "archived"), 0)
    assert counts == nobody | {"new": 1, "changed": 30, "unchanged": 28, "suppressed": 1, "untagged": 1951}
    assert told["would"]["new"]["examples"] == [{"email": "n***@i***.example", "row": "loyal-customers:31"}]
    assert told["would"]["suppressed"]["examples"][0]["why"] == "unsubscribed"
    assert [len(told["would"][fate]["examples"]) for fate in ("changed", "untagged")] == [10, 10]
    assert "take out 1,9" in told["guard"]
    assert gone not in str(told)
    assert dry(system, "--show")["would"]["suppressed"]["examples"][0]["email"] == gone
    everybody = dry(system, "--full")
    assert (everybody["full"], everybody["would"]["again"]["count"]) == (True, 28)
    assert [run.trigger.refresh_id for run in system.runs.recent()] == ["r1"]


def test_a_dry_run_reads_well(system: System, small: Segments) -> None:
    """For people: counts, examples, and that nothing was sent."""
    small.write(system.data / "r1")
    done = system.command("run", EXPORT, "--dry-run", capture_output=True)
    assert done.stderr == ""
    assert "profiles read" in done.stdout
    assert "nothing was sent, and nothing was kept" in done.stdout
    assert "duplicate (10 of" in done.stdout
    assert small.loyal["email"][0] not in done.stdout
    assert "c***@" in done.stdout


def test_a_dry_run_that_can_not_be_done_says_why(system: System, small: Segments) -> None:
    """As the run would: a file that is missing, an audience that is not there, a key that is void."""
    small.write(system.data / "r1")
    system.apply(two_segments(system.data / "nowhere"))
    assert "No refresh of segment" in refused(system, "run", EXPORT, "--dry-run")
    system.apply(two_segments(system.data))
    system.command("pause", "newsletter", capture_output=True)
    assert "newsletter is paused: resume it" in refused(system, "run", EXPORT, "--dry-run")
    system.command("resume", "newsletter", capture_output=True)
    system.standin.account().configure(revoked=True)
    assert "key" in refused(system, "run", EXPORT, "--dry-run")


# --- quarantine ------------------------------------------------------------------------------------


def test_quarantine_is_shown_and_emptied(system: System, small: Segments) -> None:
    """Who is in it, why and until when; whoever is let out is sent again by the next run."""
    first = exported(system, small, "r1")
    rejected = [line["email"] for line in system.report(first.run_id) if line["outcome"] == "rejected"]
    listed = system.ask("quarantine", "list", EXPORT)
    assert listed["export"] == EXPORT
    assert sorted(each["email"] for each in listed["quarantine"]) == sorted(rejected)
    assert all(each["code"] and "fake" in each["reason"] and each["until"] for each in listed["quarantine"])
    shown = system.command("quarantine", "list", EXPORT, capture_output=True).stdout
    assert rejected[0] in shown
    system.command("quarantine", "clear", EXPORT, f" {rejected[0].upper()}", capture_output=True)
    assert len(system.ask("quarantine", "list", EXPORT)["quarantine"]) == 11
    second = exported(system, small, "r2")
    assert (second.profiles["suppressed"], second.profiles["rejected"]) == (11, 1)
    done = system.command("quarantine", "clear", EXPORT, capture_output=True)
    assert done.stdout.startswith("12 profiles let out of quarantine")
    assert system.ask("quarantine", "list", EXPORT)["quarantine"] == []
    third = exported(system, small, "r3")
    assert (third.profiles["suppressed"], third.profiles["rejected"]) == (0, 12)
    assert_exact(system, third, small)


def test_quarantine_is_not_emptied_under_a_run(system: System, small: Segments) -> None:
    """The run would bring back who was let out."""
    first = exported(system, small, "r1")
    system.command("pause", "newsletter", capture_output=True)
    run_id = refresh(system, small, "r2")
    assert run_id in refused(system, "quarantine", "clear", EXPORT)
    system.command("resume", "newsletter", capture_output=True)
    assert system.finished(run_id).profiles["suppressed"] == first.profiles["rejected"]
    assert "not in the quarantine" in refused(system, "quarantine", "clear", EXPORT, "nobody@inbox.example")


# --- lint and merge fields -------------------------------------------------------------------------


def test_bad_and_cut_values_are_counted_in_the_run(system: System, clean: pl.DataFrame) -> None:
    """By merge field, with rows for instance, in the document, for people, and in a dry run."""
    marred = clean.with_columns(
        visits=pl.when(pl.col("customer_id") < 3)
        .then(pl.lit("many"))
        .otherwise(pl.col("visits").cast(pl.String)),
        city=pl.when(pl.col("customer_id") == 5).then(pl.lit("x" * 300)).otherwise("city"),
    )
    made = split(marred)
    made.write(system.data / "r1")
    lint = {
        "CITY": {"bad": 0, "cut": 1, "rows": ["loyal-customers:6"], "missing": 0},
        "VISITS": {
            "bad": 3,
            "cut": 0,
            "missing": 0,
            "rows": [f"loyal-customers:{row}" for row in (1, 2, 3)],
        },
    }
    assert dry(system)["lint"] == lint
    run = system.finished(refresh(system, made, "r1"))
    assert run.status == "successful"
    assert system.ask("status", run.run_id)["lint"] == lint
    shown = system.command("status", run.run_id, capture_output=True).stdout
    assert ["VISITS", "3", "0", "0", "loyal-customers:1,"] in [row.split()[:5] for row in shown.splitlines()]
    assert "many" not in shown
    assert_accounted(system, run, made)


def test_missing_merge_fields_are_created_with_the_right_type(system: System, clean: pl.DataFrame) -> None:
    """Where the export asks for it, and once the guard let the run pass; a dry run only says which."""
    text = two_segments(system.data, create_merge_fields="true")
    home = "{addr1: city, city: city, state: city, zip: city}"
    more = f"VISITS: visits, SCORE: churn_score, ORDERED: last_order, HOME: {home}}}"
    text = text.replace("type: mailchimp", "type: mailchimp\n    max_contacts: 1000")
    system.apply(text.replace("VISITS: visits}", more))
    split(clean).write(system.data / "r1")
    new = [
        {"tag": "HOME", "type": "address"},
        {"tag": "ORDERED", "type": "date"},
        {"tag": "SCORE", "type": "number"},
    ]
    assert dry(system)["new_merge_fields"] == new
    assert (
        "Merge field SCORE would be created as number."
        in system.command("run", EXPORT, "--dry-run", capture_output=True).stdout
    )
    run_id = refresh(system, split(clean), "r1")
    wait_until(lambda: system.runs.document(run_id).status == "held", "the guard has seen the contacts")
    assert "POST /lists/{list_id}/merge-fields" not in calls(system), "nothing is written before the guard"
    system.command("approve", run_id, capture_output=True)
    run = system.finished(run_id)
    assert run.status == "successful", run.error
    assert dry(system)["new_merge_fields"] == []
    member = system.standin.audience().member(clean["email"][0])
    assert member is not None
    assert member.merge_fields["SCORE"] == pytest.approx(clean["churn_score"][0])
    assert calls(system)["POST /lists/{list_id}/merge-fields"] == 3
