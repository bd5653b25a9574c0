"""Connections through the operations: who sees what, consent, keys, and their end."""

import json
from typing import Any

import pytest

from producer.access import Forbidden
from producer.application import Producer
from producer.declaring import CatalogRefused
from producer.desk import Desk
from producer.events import run_export
from producer.operations.audit import list_audit
from producer.operations.connections import (
    add_connection,
    edit_connection,
    list_connections,
    pause_connection,
    record_consent,
    remove_connection,
    rotate_key,
    share_connection,
    show_connection,
)
from producer.operations.documents import ConnectionSummary, ConnectionView
from producer.operations.exports import show_export
from tests.producer.conftest import SegmentExport, Work
from worker import credentials
from worker.errors import Conflicts, NotThere
from worker.state import keys
from worker.state.audiences import Audiences, Manners
from worker.state.slots import Lease

KEY = "0123456789abcdef0123456789abcdef-us1"
CONSENT = {"agreed_by": "dana@example.com", "agreed_on": "2026-11-23"}
VALUES: dict[str, Any] = {"type": "mailchimp", "api_key": KEY, "consent": CONSENT}


def everything_written(producer: Producer) -> str:
    return str(producer.audit.newest(most=1000))


def test_a_literal_key_is_sealed_at_once_and_never_shown(desk: Desk) -> None:
    view = add_connection(desk, "third", VALUES)
    stored = desk.producer.catalog.connection("third").api_key
    assert view.api_key == "encrypted"
    assert credentials.look_up(stored, "third", desk.producer.keyring, {}) == KEY
    assert KEY not in everything_written(desk.producer) + view.model_dump_json()
    assert stored not in everything_written(desk.producer)


def test_who_made_a_connection_and_what_uses_it_is_told(desk: Desk) -> None:
    added = add_connection(desk, "third", VALUES)
    assert added.made is not None
    assert (added.made.by, added.used_by) == ("ada", [])
    second = show_connection(desk, "second")
    assert isinstance(second, ConnectionView)
    assert (second.made, second.used_by) == (None, ["both"])


def test_adding_what_is_there_is_refused(desk: Desk) -> None:
    with pytest.raises(Conflicts, match="There is a connection second already"):
        add_connection(desk, "second", VALUES)


def test_all_problems_of_a_request_are_told_at_once_without_its_values(desk: Desk) -> None:
    with pytest.raises(CatalogRefused) as caught:
        add_connection(desk, "third", {"api_key": f"x{KEY}x", "max_connections": 11, "colour": "red"})
    told = str(caught.value).splitlines()
    assert len(told) == len(caught.value.problems) == 5
    assert "max_connections of connection third is 11; write a whole number from 1 to 10." in told
    assert KEY not in str(caught.value)
    assert "third" not in desk.producer.catalog.everything().connections


def test_a_rotated_key_is_another_one_and_sealed_too(desk: Desk) -> None:
    add_connection(desk, "third", VALUES)
    other = KEY.replace("us1", "us2")
    assert rotate_key(desk, "third", other).api_key == "encrypted"
    stored = desk.producer.catalog.connection("third").api_key
    assert credentials.look_up(stored, "third", desk.producer.keyring, {}) == other
    assert other not in everything_written(desk.producer)
    entry = list_audit(desk, what="rotate_key").items[0]
    assert (entry.on, entry.after) == ("connection third", {"api_key": "encrypted"})


def test_consent_is_recorded_and_the_log_names_nobody(desk: Desk) -> None:
    given = {"agreed_by": "ed@example.com", "agreed_on": "2026-11-27", "text": "Data may go to Mailchimp."}
    view = record_consent(desk, "second", given)
    assert view.consent.model_dump(mode="json") == given
    entry = list_audit(desk, on="connection second").items[0]
    assert (entry.before, entry.after) == (
        {"consent": {"agreed_on": "2026-11-23"}},
        {"consent": {"agreed_on": "2026-11-27"}},
    )
    assert "example.com" not in everything_written(desk.producer)


def test_others_than_administrators_see_the_summary_of_what_is_shared(
    desk: Desk, contributor: Desk, viewer: Desk
) -> None:
    share_connection(desk, "second", "contributors")
    for other in (contributor, viewer):
        assert list_connections(other).items == [
            ConnectionSummary(name="second", display_name="second", type="mailchimp")
        ]
        assert isinstance(show_connection(other, "second"), ConnectionSummary)
        for name in ("newsletter", "nothing"):
            with pytest.raises(NotThere, match="No connection of that name is shared with you"):
                show_connection(other, name)
    with pytest.raises(Forbidden):
        edit_connection(contributor, "second", {"max_connections": 2})


def test_lists_come_in_pages(desk: Desk) -> None:
    first = list_connections(desk, limit=1)
    assert ([each.name for each in first.items], first.next) == (["newsletter"], "newsletter")
    second = list_connections(desk, limit=1, after="newsletter")
    assert ([each.name for each in second.items], second.next) == (["second"], None)


def test_removing_a_connection_that_exports_use_is_refused_with_their_names(desk: Desk) -> None:
    with pytest.raises(Conflicts, match="Connection newsletter is used by exports by-hand, weekly: say"):
        remove_connection(desk, "newsletter")
    assert desk.producer.catalog.connection("newsletter")


def test_removing_a_connection_detaches_its_exports_and_stops_their_runs(desk: Desk, work: Work) -> None:
    producer = desk.producer
    run_id = run_export(producer, "weekly").run_id
    work.plan(run_id, read=500)
    lease = work.begin(run_id)
    Audiences(producer.client).learn("newsletter", "a1b2c3d4e5", Manners(status_if_new=True, tags=True))
    producer.objects.put("audiences/newsletter/a1b2c3d4e5", b"hashes")

    removed = remove_connection(desk, "newsletter", exports="detach")
    assert (removed.detached, removed.removed, removed.canceled) == (["by-hand", "weekly"], [], [run_id])
    assert show_export(desk, "weekly").status == "detached"
    assert producer.runs.document(run_id).error == "Canceled, as connection newsletter was removed."
    assert not producer.objects.exists("audiences/newsletter/a1b2c3d4e5")
    assert Audiences(producer.client).manners("newsletter", "a1b2c3d4e5") is None
    # no other call begins, and the one in flight is counted
    granted = [Lease(work.connection, each.run_id, each.chunk, each.token) for each in work.bells]
    assert [each for each in granted if producer.slots.begin(each)] == []
    work.settle(lease, 100)
    work.finish(run_id)
    assert producer.runs.document(run_id).status == "canceled"
    assert producer.runs.document(run_id).profiles["created"] == 100
    assert [str(key) for key in producer.client.scan_iter(match=f"{keys.connection('newsletter')}*")] == []


def test_removing_a_connection_with_its_exports_leaves_neither(desk: Desk) -> None:
    removed = remove_connection(desk, "newsletter", exports="remove")
    assert removed.removed == ["by-hand", "weekly"]
    assert [each.name for each in desk.producer.catalog.exports()] == ["both"]
    what = {(entry.on, entry.after) for entry in list_audit(desk, what="remove_connection").items}
    assert what == {("connection newsletter", None), ("export by-hand", None), ("export weekly", None)}


def test_a_connection_that_is_added_again_is_not_stopped_by_the_removed_one(desk: Desk, work: Work) -> None:
    run_id = run_export(desk.producer, "weekly").run_id
    work.plan(run_id, read=100)
    work.begin(run_id)
    remove_connection(desk, "newsletter", exports="detach")
    assert desk.producer.slots.state("newsletter").paused
    add_connection(desk, "newsletter", VALUES)
    assert not desk.producer.slots.state("newsletter").paused


def test_pausing_twice_is_one_change(desk: Desk) -> None:
    assert [pause_connection(desk, "second").changed for _ in range(2)] == [True, False]
    assert len(list_audit(desk, what="pause_connection").items) == 1


def test_a_key_is_never_taken_from_the_arguments(
    catalog: Producer, segment_export: SegmentExport, tmp_path: Any
) -> None:
    consent = "consent={agreed_by: Dana, agreed_on: 2026-11-23}"
    for arguments in (
        ("add", "third", f"api_key={KEY}", consent),
        ("edit", "second", f"api_key={KEY}"),
        ("rotate-key", "second", KEY),
    ):
        result = segment_export("connection", *arguments)
        assert result.exit_code == 2
        assert KEY not in result.output
    (tmp_path / "key").write_text(f"{KEY}\n")
    added = segment_export("connection", "add", "third", consent, "--key-file", "key")
    assert (added.exit_code, added.stdout) == (
        0,
        "Connection third is added: segment-export check third\n",
    )
    assert catalog.catalog.connection("third").api_key.startswith("encrypted:")
    rotated = segment_export("connection", "rotate-key", "third", "env:MAILCHIMP_OTHER")
    assert rotated.exit_code == 0
    assert catalog.catalog.connection("third").api_key == "env:MAILCHIMP_OTHER"


@pytest.mark.usefixtures("catalog")
def test_connections_are_steered_from_the_command_line(segment_export: SegmentExport) -> None:
    assert segment_export("connection", "share", "second", "contributors").exit_code == 0
    agreed = segment_export("connection", "consent", "second", "--by", "Ed", "--text", "Yes: all of it.")
    assert agreed.exit_code == 0
    assert segment_export("connection", "edit", "second", "max_connections=3").exit_code == 0
    shown = json.loads(segment_export("get", "connections", "second", "--json").stdout)["connections"][0]
    assert (shown["access"], shown["max_connections"], shown["used_by"]) == ("contributors", 3, ["both"])
    assert shown["consent"]["text"] == "Yes: all of it."
    refused = segment_export("connection", "remove", "second")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    removed = segment_export("connection", "remove", "second", "--exports", "detach")
    assert removed.stdout == "Connection second is removed: 1 export detached.\n"
