"""The second and every later export: only what changed, out who left, nobody who said no."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from tests.catalogs import TAGS, two_segments
from tests.fundamentals.audit import assert_exact
from tests.fundamentals.test_the_main_job import refresh
from tests.mailchimp_standin.faults import Refuse
from tests.mailchimp_standin.reports import MemberView
from tests.profiles import Segments, Shape, customers, segments, split
from tests.system import System
from worker.exports.runs import RunDocument
from worker.keyring import parse_keys
from worker.store.objects import open_store
from worker.store.snapshots import commit, read_manifest

BATCHES = "POST /lists/{list_id}"


def exported(system: System, made: Segments, refresh_id: str) -> RunDocument:
    """A refresh and the run that it triggers, ended."""
    return system.finished(refresh(system, made, refresh_id))


def calls(system: System) -> dict[str, int]:
    return system.standin.account().statistics().calls


@pytest.fixture
def clean() -> pl.DataFrame:
    """2,000 customers without a fault."""
    return customers(2_000, shape=Shape(malformed=0, duplicate=0, refused=0))


def test_an_unchanged_segment_is_not_sent_again(system: System, small: Segments) -> None:
    """The second run makes no upload; refused profiles are in quarantine, so it is successful."""
    first = exported(system, small, "r1")
    assert first.status == "partial"
    system.standin.reset_statistics()
    second = exported(system, small, "r2")
    assert second.status == "successful"
    assert second.profiles["unchanged"] == first.profiles["created"]
    assert second.profiles["suppressed"] == 12
    assert BATCHES not in calls(system)
    assert_exact(system, second, small)


def test_a_change_is_sent_alone(system: System, clean: pl.DataFrame) -> None:
    """One changed attribute, one new customer: one call."""
    exported(system, split(clean), "r1")
    changed = clean.with_columns(
        city=pl.when(pl.col("customer_id") == 7).then(pl.lit("Elsewhere")).otherwise("city")
    )
    newcomer = customers(2_001, seed=8, shape=Shape(malformed=0, duplicate=0, refused=0))[2_000:]
    more = Segments(
        pl.concat([split(changed).loyal, newcomer]), split(changed).churning, split(changed).malformed
    )
    system.standin.reset_statistics()
    run = exported(system, more, "r2")
    assert (run.profiles["updated"], run.profiles["created"]) == (1, 1)
    assert calls(system)[BATCHES] == 1
    assert_exact(system, run, more)


def test_full_sends_everything_again(system: System, small: Segments) -> None:
    """`--full` ignores what is remembered."""
    first = exported(system, small, "r1")
    run = system.finished(system.ask("run", "weekly-newsletter", "--full")["run_id"])
    assert run.profiles["updated"] == first.profiles["created"]


def test_on_schedule_everything_is_sent_and_repairs_what_drifted(system: System, clean: pl.DataFrame) -> None:
    """`full_every: 7d`: what somebody changed at Mailchimp stays for a week, and no longer."""
    system.apply(two_segments(system.data, full_every="7d"))
    made = split(clean)
    everybody = exported(system, made, "r1").profiles["created"]
    audience = system.standin.audience()
    address = made.loyal["email"][0]
    right = audience.member(address)
    assert right is not None
    wrong = MemberView(address, "subscribed", {**right.merge_fields, "CITY": "Drifted"}, right.tags)
    audience.seed([wrong])
    assert exported(system, made, "r2").profiles["unchanged"] == everybody
    assert audience.member(address) == wrong
    age_last_full(system, timedelta(days=8))
    third = exported(system, made, "r3")
    assert third.profiles["updated"] == everybody
    assert_exact(system, third, made)
    assert exported(system, made, "r4").profiles["unchanged"] == everybody


def age_last_full(system: System, span: timedelta) -> None:
    """Lets the last full export have been so much earlier."""
    export, version = "weekly-newsletter", system.runs.snapshot("weekly-newsletter")
    objects = open_store(system.environment["SEGMENT_EXPORT_STORE_URL"])
    keyring = parse_keys(system.environment["SEGMENT_EXPORT_SECRET_KEYS"])
    manifest = read_manifest(objects, keyring, export, version)
    earlier = datetime.fromisoformat(manifest.last_full) - span
    commit(objects, keyring, msgspec.structs.replace(manifest, last_full=earlier.isoformat()))


def test_who_leaves_a_segment_loses_its_tag_and_nothing_else(system: System, clean: pl.DataFrame) -> None:
    """Mirror: in bulk, only our tag, nobody is unsubscribed, other people's tags stay."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(clean)
    exported(system, made, "r1")
    audience = system.standin.audience()
    leaver = made.loyal["email"][0]
    before = audience.member(leaver)
    assert before is not None
    audience.seed([MemberView(leaver, "subscribed", before.merge_fields, (TAGS[0], "VIP"))])
    fewer = Segments(made.loyal[50:], made.churning, made.malformed)
    system.standin.reset_statistics()
    run = exported(system, fewer, "r2")
    assert run.status == "successful"
    assert run.removed == 50
    assert calls(system)["POST /lists/{list_id}/segments/{segment_id}"] == 1
    after = audience.member(leaver)
    assert after is not None
    assert (after.status, after.tags) == ("subscribed", ("VIP",))
    assert audience.tags()[TAGS[0]] == fewer.loyal.height
    assert audience.status_changes() == []
    again = exported(system, fewer, "r3")
    assert again.removed == 0


def test_a_run_that_would_take_out_too_many_is_held(system: System, clean: pl.DataFrame) -> None:
    """Nothing is written until a person approves it; then it goes on."""
    system.apply(two_segments(system.data, mode="mirror"))
    made = split(clean)
    exported(system, made, "r1")
    shrunken = Segments(made.loyal[:10], made.churning[:10], made.malformed)
    shrunken.write(system.data / "r2")
    system.standin.reset_statistics()
    waited = system.command("refresh", "r2", "--wait", check=False, capture_output=True)
    assert waited.returncode == 1
    (held,) = system.runs.recent(most=1)
    assert held.status == "held"
    assert "take out" in (held.error or "")
    assert not [name for name in calls(system) if name.startswith("POST")]
    system.command("approve", held.run_id, capture_output=True)
    run = system.finished(held.run_id)
    assert run.removed == 1_990, "ten of them have left one segment and are in the other"
    assert run.status == "successful", system.report(run.run_id)
    assert system.standin.audience().tags()[TAGS[0]] == 10


def test_a_run_that_would_add_far_too_many_is_held(system: System, clean: pl.DataFrame) -> None:
    """A wrong file upstream must not fill an audience."""
    exported(system, split(clean), "r1")
    flood = split(customers(6_000, shape=Shape(malformed=0, duplicate=0, refused=0), seed=3))
    flood.write(system.data / "r2")
    system.command("refresh", "r2", "--wait", check=False, capture_output=True)
    (held,) = system.runs.recent(most=1)
    assert held.status == "held"
    system.command("cancel", held.run_id, capture_output=True)
    assert system.runs.document(held.run_id).status == "canceled"
    assert len(system.standin.audience()) == 2_000


STATUSES = ("unsubscribed", "cleaned", "archived", "pending", "transactional", "subscribed")


@pytest.mark.parametrize("dialect", ["newest", "classic"])
def test_nobodys_status_is_changed(system: System, clean: pl.DataFrame, dialect: Any) -> None:
    """Who said no is suppressed; pending and transactional members keep what they are; in both dialects."""
    audience = system.standin.audience()
    audience.configure(dialect=dialect)
    made = split(clean)
    everybody = clean["email"].to_list()
    known = {everybody[at]: STATUSES[at % 6] for at in range(600)}
    audience.seed(
        [
            MemberView(email, status, {}, ("VIP",), unsubscribed_by="admin" if at % 12 == 0 else "self")
            for at, (email, status) in enumerate(known.items())
        ]
    )
    run = exported(system, made, "r1")
    assert run.status == "successful", run.error
    assert audience.status_changes() == []
    assert audience.resubscribed == run.resubscribed == 0
    out = [email for email, status in known.items() if status in STATUSES[:3]]
    in_both = set(made.loyal["email"]) & set(made.churning["email"])
    assert run.profiles["suppressed"] == len(out)
    assert run.profiles["duplicate"] == len(in_both)
    members = audience.members()
    for email, status in known.items():
        assert members[email].status == status
        assert "VIP" in members[email].tags
        assert bool(members[email].merge_fields) == (status not in STATUSES[:3])
    new = [email for email in everybody if email not in known]
    assert all(members[email].status == "subscribed" for email in new)
    holders = {email for email in made.loyal["email"] if known.get(email) not in STATUSES[:3]}
    assert {email for email, member in members.items() if TAGS[0] in member.tags} == holders


def test_who_unsubscribes_during_the_run_stays_out(system: System, clean: pl.DataFrame) -> None:
    """Between the reading of consent and the upload: the answer shows it, and the outcome is suppressed."""
    made = split(clean)
    exported(system, made, "r1")
    audience = system.standin.audience()
    system.standin.add_fault(Refuse(503), method="GET", path="/members", times=1)
    person = made.loyal["email"][0]
    changed = Segments(made.loyal.with_columns(city=pl.lit("Elsewhere")), made.churning, made.malformed)
    system.command("pause", "newsletter", capture_output=True)
    run_id = refresh(system, changed, "r2")
    system.command("resume", "newsletter", capture_output=True)
    audience.unsubscribe(person)
    run = system.finished(run_id)
    assert run.resubscribed == 0
    assert run.profiles["suppressed"] == 1
    member = audience.member(person)
    assert member is not None
    assert member.status == "unsubscribed"


def test_a_changed_person_leaves_quarantine(system: System, small: Segments) -> None:
    """Refused for good is not sent again, until the profile changes."""
    exported(system, small, "r1")
    moved = Segments(
        small.loyal.with_columns(city=pl.lit("Elsewhere")),
        small.churning.with_columns(city=pl.lit("Elsewhere")),
        small.malformed,
    )
    run = exported(system, moved, "r2")
    assert run.profiles["rejected"] == 12
    assert run.profiles["suppressed"] == 0


def test_a_lost_snapshot_means_a_full_export(system: System, small: Segments) -> None:
    """All state lost: everything is sent again, and the audience is exact."""
    first = exported(system, small, "r1")
    system.ledger.delete("se:export:weekly-newsletter:snapshot")
    run = exported(system, small, "r2")
    assert run.profiles["updated"] == first.profiles["created"]
    assert_exact(system, run, small)


def test_segments_keep_their_order_of_many(system: System) -> None:
    """A person in two segments is one member with both tags, read twice and sent once."""
    made = segments(1_000, shape=Shape(malformed=0, duplicate=0, refused=0))
    run = exported(system, made, "r1")
    assert run.profiles["created"] + run.profiles["duplicate"] == made.rows
    assert_exact(system, run, made)


def test_a_renamed_segment_takes_its_tag_along(system: System, clean: pl.DataFrame) -> None:
    """Nobody is left with the old tag, and the tag is the same one."""
    made = split(clean)
    exported(system, made, "r1")
    catalog = (system.folder / "catalog.yaml").read_text()
    system.apply(catalog.replace(TAGS[0], "Most loyal customers"))
    run = exported(system, made, "r2")
    assert run.status == "successful"
    assert system.standin.audience().tags() == {
        "Most loyal customers": made.loyal.height,
        TAGS[1]: made.churning.height,
    }


def test_who_signed_up_to_too_many_lists_is_tried_again_and_then_later(
    system: System, clean: pl.DataFrame
) -> None:
    """Asked again after a while; still refused, they are in quarantine for a day and the next run goes on."""
    made = split(clean)
    hasty = made.loyal["email"][3]
    system.standin.audience().refuse_velocity([hasty])
    first = exported(system, made, "r1")
    assert first.profiles["rejected"] == 1
    (line,) = [line for line in system.report(first.run_id) if line["outcome"] == "rejected"]
    assert line["email"] == hasty
    second = exported(system, made, "r2")
    assert second.status == "successful"
    assert second.profiles["suppressed"] == 1


def test_a_changed_address_moves_its_member(system: System, clean: pl.DataFrame) -> None:
    """With a key the member goes along, history and all; where the new address is taken, that is reported."""
    system.apply(two_segments(system.data, mode="mirror", key="customer_id"))
    made = split(clean)
    exported(system, made, "r1")
    audience = system.standin.audience()
    mover, blocked = made.loyal["email"][0], made.loyal["email"][1]
    audience.seed([MemberView("taken@inbox.example", "subscribed", {}, ("VIP",))])
    audience.seed([_with_tag(audience.member(mover), "Friend")])
    renamed = {mover: "moved@inbox.example", blocked: "taken@inbox.example"}
    table = clean.with_columns(email=pl.col("email").replace(renamed))
    system.standin.reset_statistics()
    run = exported(system, split(table), "r2")
    assert run.status == "successful", run.error
    assert run.removed == 0
    members = audience.members()
    assert mover not in members
    assert members["moved@inbox.example"].tags == ("Friend", TAGS[0])
    assert members["taken@inbox.example"].tags == (TAGS[0], "VIP")
    assert members[blocked].tags == ()
    assert system.ledger.hget(f"se:run:{run.run_id}", "not_moved") == "1"
    assert audience.status_changes() == []


def _with_tag(member: MemberView | None, tag: str) -> MemberView:
    assert member is not None
    return MemberView(member.email_address, member.status, member.merge_fields, (*member.tags, tag))
