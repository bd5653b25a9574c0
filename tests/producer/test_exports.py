"""Exports and segments through the operations: changes, schedules, permissions, warnings, and their end."""

import json
from pathlib import Path
from typing import Any

import pytest

from producer.access import Forbidden
from producer.application import Producer
from producer.declaring import CatalogRefused
from producer.desk import Desk
from producer.events import refresh_finished, run_export
from producer.operations.audit import list_audit
from producer.operations.connections import share_connection
from producer.operations.exports import (
    add_export,
    add_segment_to_export,
    detach_export,
    disable_export,
    duplicate_export,
    edit_export,
    enable_export,
    list_exports,
    remove_export,
    schedule_exports,
    show_export,
)
from producer.operations.runs import cancel_run, list_runs, rejected_rows, run_all
from producer.operations.runs import run_export as run_one
from producer.operations.segments import add_segment, edit_segment, remove_segment, show_segment
from tests.producer.conftest import AUDIENCE, SegmentExport, Work
from worker.errors import Conflicts, NotThere
from worker.exports.definitions import Export
from worker.state import keys

VALUES: dict[str, Any] = {
    "connection": "second",
    "audience_id": AUDIENCE,
    "segments": ["loyal"],
    "email": "email",
}


def test_an_export_is_added_edited_and_taken_back_to_its_defaults(desk: Desk) -> None:
    assert add_export(desk, "new", VALUES | {"guard": {"add_share": 0.75}}).status == "never_run"
    assert edit_export(desk, "new", {"mode": "mirror", "max_profiles": 5}).mode == "mirror"
    back = edit_export(desk, "new", {"mode": None, "guard": None})
    assert (back.mode, back.max_profiles, back.guard.add_share) == ("upsert", 5, 0.5)
    entries = list_audit(desk, on="export new").items
    assert [(entry.what, entry.who) for entry in entries] == [
        ("edit_export", "ada"),
        ("edit_export", "ada"),
        ("add_export", "ada"),
    ]
    assert (entries[1].before, entries[1].after) == (
        {"max_profiles": 1_000_000, "mode": "upsert"},
        {"max_profiles": 5, "mode": "mirror"},
    )


def test_an_edit_that_changes_nothing_is_no_change(desk: Desk) -> None:
    edit_export(desk, "weekly", {"mode": "upsert"})
    assert list_audit(desk).items == []


def test_a_required_value_can_not_be_taken_away(desk: Desk) -> None:
    with pytest.raises(CatalogRefused, match=r"email of export weekly is empty; write the column"):
        edit_export(desk, "weekly", {"email": None})


@pytest.mark.parametrize("values", [{"segments": ["loyal", "gone"]}, {"connection": "gone"}])
def test_an_export_can_not_name_what_is_not_there(desk: Desk, values: dict[str, Any]) -> None:
    with pytest.raises(CatalogRefused, match=r"'gone'|\"gone\""):
        edit_export(desk, "weekly", values)


def test_a_duplicate_is_disabled_until_it_is_enabled(desk: Desk) -> None:
    copy = duplicate_export(desk, "weekly", "copy", {"audience_id": "b1b2c3d4e5"})
    assert (copy.status, copy.attributes, copy.audience_id) == (
        "disabled",
        {"FNAME": "first_name"},
        "b1b2c3d4e5",
    )
    with pytest.raises(Conflicts, match=r"Export copy is disabled: enable it, then run it."):
        run_one(desk, "copy")
    assert enable_export(desk, "copy").enabled
    assert run_one(desk, "copy").status == "queued"


def test_a_detached_export_is_kept_stops_and_goes_on_with_another_connection(desk: Desk) -> None:
    run_id = run_export(desk.producer, "weekly").run_id
    assert detach_export(desk, "weekly").status == "detached"
    assert desk.producer.runs.document(run_id).status == "canceled"
    with pytest.raises(Conflicts, match=r"Export weekly is detached: set its connection, then run it."):
        run_one(desk, "weekly")
    assert [run.export for run in refresh_finished(desk.producer, "r1").runs] == ["both"]
    assert edit_export(desk, "weekly", {"connection": "second"}).status == "canceled"
    assert run_one(desk, "weekly").status == "queued"


def test_a_disabled_export_is_left_out_of_refreshes_and_its_run_goes_on(desk: Desk) -> None:
    run_id = run_export(desk.producer, "weekly").run_id
    assert disable_export(desk, "weekly").status == "disabled"
    assert desk.producer.runs.document(run_id).status == "queued"
    assert [run.export for run in run_all(desk)] == ["both"]


def test_a_removed_export_takes_its_memory_with_it(desk: Desk, work: Work) -> None:
    producer = desk.producer
    work.do(refresh_finished(producer, "r1", ["loyal"]).runs[1].run_id)
    producer.objects.put("snapshots/weekly/v1/manifest", b"people")
    run_id = run_export(producer, "weekly").run_id
    assert remove_export(desk, "weekly").canceled == [run_id]
    assert not producer.objects.exists("snapshots/weekly/v1/manifest")
    assert list(producer.client.scan_iter(match=f"{keys.export('weekly')}*")) == []
    assert producer.runs.removing() == []
    with pytest.raises(NotThere):
        show_export(desk, "weekly")


def test_a_removed_export_is_forgotten_only_when_its_last_call_has_ended(desk: Desk, work: Work) -> None:
    producer = desk.producer
    run_id = run_export(producer, "weekly").run_id
    work.plan(run_id, read=100)
    lease = work.begin(run_id)
    remove_export(desk, "weekly")
    assert producer.runs.removing() == ["weekly"]
    with pytest.raises(Conflicts, match="The last calls of the removed export weekly are still in flight"):
        add_export(desk, "weekly", VALUES)
    work.settle(lease, 100)
    work.finish(run_id)
    assert add_export(desk, "weekly", VALUES).status == "canceled"
    assert producer.runs.removing() == []


def test_many_exports_are_scheduled_or_none(desk: Desk) -> None:
    scheduled = schedule_exports(desk, ["weekly", "both"], "manual")
    assert [(each.name, each.run) for each in scheduled] == [("weekly", "manual"), ("both", "manual")]
    with pytest.raises(NotThere, match="There is no export 'weakly'; did you mean weekly"):
        schedule_exports(desk, ["both", "weakly"], "on_refresh")
    with pytest.raises(CatalogRefused):
        schedule_exports(desk, ["both", "weekly"], "sometimes")
    assert desk.producer.catalog.export("both").run == "manual"


def test_a_segment_is_added_to_an_export_from_its_side(desk: Desk, tmp_path: Path) -> None:
    assert add_segment(desk, "vip", {"source": str(tmp_path / "vip.csv")}).used_by == []
    assert add_segment_to_export(desk, "vip", "weekly").segments == ("loyal", "vip")
    assert show_segment(desk, "vip").used_by == ["weekly"]
    with pytest.raises(Conflicts, match="Export weekly takes segment vip already"):
        add_segment_to_export(desk, "vip", "weekly")
    with pytest.raises(Conflicts, match="Segment vip is taken by export weekly: take it out there first"):
        remove_segment(desk, "vip")
    edit_export(desk, "weekly", {"segments": ["loyal"]})
    assert remove_segment(desk, "vip").name == "vip"


def test_a_segment_is_edited_with_the_tags_of_its_exports_in_mind(desk: Desk) -> None:
    assert edit_segment(desk, "loyal", {"display_name": "Loyal"}).display_name == "Loyal"
    with pytest.raises(CatalogRefused, match="would share one tag in Mailchimp"):
        edit_segment(desk, "churn", {"display_name": "LOYAL"})


def test_contributors_touch_only_what_goes_over_shared_connections(desk: Desk, contributor: Desk) -> None:
    share_connection(desk, "second", "contributors")
    assert edit_export(contributor, "both", {"mode": "mirror"}).mode == "mirror"
    for change in (
        lambda: edit_export(contributor, "weekly", {"mode": "mirror"}),
        lambda: duplicate_export(contributor, "weekly", "copy", {"connection": "second"}),
        lambda: edit_export(contributor, "both", {"connection": "newsletter"}),
        lambda: add_export(contributor, "new", VALUES | {"connection": "newsletter"}),
        lambda: schedule_exports(contributor, ["both", "weekly"], "manual"),
        lambda: remove_export(contributor, "weekly"),
        lambda: run_one(contributor, "weekly"),
    ):
        with pytest.raises(Forbidden, match="connection newsletter, which is not shared with contributors"):
            change()
    detach_export(desk, "weekly")
    assert edit_export(contributor, "weekly", {"connection": "second"}).connection == "second"


def test_contributors_steer_only_runs_over_shared_connections(
    desk: Desk, contributor: Desk, work: Work
) -> None:
    share_connection(desk, "second", "contributors")
    run_id = run_export(desk.producer, "weekly").run_id
    work.plan(run_id, read=100)
    # the export goes over a shared connection now, but this run does not
    edit_export(desk, "weekly", {"connection": "second"})
    for steer in (cancel_run, rejected_rows):
        with pytest.raises(Forbidden, match=f"Run {run_id} goes over a connection that is not shared"):
            steer(contributor, run_id)
    detach_export(desk, "weekly")
    assert [run.export for run in run_all(contributor)] == ["both"]


def test_permissions_are_what_the_caller_may_do_with_the_export(
    desk: Desk, contributor: Desk, viewer: Desk
) -> None:
    assert show_export(viewer, "weekly").permissions == ["show_export"]
    assert show_export(contributor, "weekly").permissions == ["show_export"]
    assert "remove_export" in show_export(desk, "weekly").permissions
    share_connection(desk, "newsletter", "contributors")
    assert "run_export" in show_export(contributor, "weekly").permissions
    assert show_export(viewer, "weekly").permissions == ["show_export"]


def test_what_will_not_fit_is_warned_of(desk: Desk, work: Work) -> None:
    work.do(run_export(desk.producer, "weekly").run_id, read=1200, invalid=100)
    assert show_export(desk, "weekly").warnings == []
    edit_export(desk, "weekly", {"max_profiles": 1199})
    stored = desk.producer.catalog.connection("newsletter")
    desk.producer.catalog.save([stored.model_copy(update={"max_contacts": 1099})])
    shown = show_export(desk, "weekly")
    assert [warning.split(",")[0] for warning in shown.warnings] == [
        "The last run read 1",
        "The last run found 1",
    ]
    assert shown.last_run is not None
    assert (shown.last_run.read, shown.last_run.left_out, shown.status) == (1200, 100, "successful")


def test_exports_and_runs_are_listed_by_what_is_asked_for(desk: Desk, work: Work) -> None:
    disable_export(desk, "by-hand")
    assert [each.name for each in list_exports(desk, connection="newsletter", enabled=True).items] == [
        "weekly"
    ]
    assert [each.name for each in list_exports(desk, segment="churn").items] == ["both"]
    first = run_export(desk.producer, "weekly").run_id
    work.do(first)
    second = run_export(desk.producer, "weekly").run_id
    page = list_runs(desk, limit=1)
    assert ([run.run_id for run in page.items], page.next) == ([second], second)
    rest = list_runs(desk, limit=1, after=second)
    assert ([run.run_id for run in rest.items], rest.next) == ([first], None)
    assert [run.run_id for run in list_runs(desk, status="successful").items] == [first]
    with pytest.raises(NotThere, match="begin with the newest"):
        list_runs(desk, after="nothing")


def test_a_plan_of_a_detached_export_ends_with_one_sentence(desk: Desk) -> None:
    detach_export(desk, "weekly")
    with pytest.raises(Exception, match=r"Export weekly is detached: set its connection, then run it\."):
        desk.producer.catalog.export_bundle("weekly")


def test_exports_are_steered_from_the_command_line(
    catalog: Producer, segment_export: SegmentExport, tmp_path: Path
) -> None:
    for arguments in (
        ("segment", "add", "vip", f"source={tmp_path}/{{refresh_id}}/vip.csv"),
        ("segment", "edit", "vip", "display_name=Very important"),
        (
            "export",
            "add",
            "new",
            "connection=second",
            f"audience_id={AUDIENCE}",
            "segments=[vip]",
            "email=mail",
        ),
        ("export", "edit", "new", "attributes={FNAME: first}", "guard={add_share: 0.25}"),
        ("export", "add-segment", "new", "loyal"),
        ("export", "schedule", "manual", "new", "weekly"),
        ("export", "duplicate", "new", "copy", "mode=mirror"),
        ("export", "enable", "copy"),
        ("export", "disable", "new"),
        ("export", "detach", "copy"),
        ("export", "remove", "weekly"),
    ):
        result = segment_export(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.count("\n") == 1
    assert catalog.catalog.export("new") == Export(
        name="new",
        connection="second",
        enabled=False,
        audience_id=AUDIENCE,
        segments=("vip", "loyal"),
        email="mail",
        attributes={"FNAME": "first"},
        run="manual",
        guard=catalog.catalog.export("new").guard,
    )
    assert catalog.catalog.export("copy").connection is None
    shown = {
        each["name"]: each
        for each in json.loads(segment_export("get", "exports", "--json").stdout)["exports"]
    }
    assert (shown["copy"]["status"], shown["new"]["status"]) == ("detached", "disabled")
    wrong = segment_export("export", "edit", "new", "mode")
    assert (wrong.exit_code, "KEY=VALUE" in wrong.stderr) == (2, True)
    bad = segment_export("export", "edit", "new", "mode=sideways", "colour=red")
    assert (bad.exit_code, len(bad.stderr.splitlines())) == (1, 2)
    rows = segment_export("audit", "--on", "export new").stdout.splitlines()
    assert [row.split()[3] for row in rows[1:]][-1] == "add_export"
