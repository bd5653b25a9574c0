"""Tokens, the audit log and applying, through the operations and the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producer.access import RULES, Role
from producer.application import Producer
from producer.desk import Desk
from producer.operations.audit import list_audit
from producer.operations.catalog import apply_catalog
from producer.operations.tokens import authenticate, create_token, list_tokens, revoke_token, who_am_i
from tests.producer.conftest import SegmentExport
from tests.producer.test_listing import FILE, KEY
from worker.errors import NotThere, UsageError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_a_token_says_who_calls_until_it_is_revoked(desk: Desk) -> None:
    made = create_token(desk, "nightly job", "contributor")
    caller = authenticate(desk.producer, made.token, NOW)
    assert caller is not None
    assert (caller.name, caller.role, caller.here) == ("nightly job", Role.CONTRIBUTOR, False)
    revoke_token(desk, made.id)
    assert authenticate(desk.producer, made.token, NOW) is None
    with pytest.raises(NotThere):
        revoke_token(desk, made.id)


def test_a_token_is_shown_once_and_recorded_without_itself(desk: Desk) -> None:
    made = create_token(desk, "job", "viewer")
    listed = list_tokens(desk).items
    assert [(each.name, each.role, each.created_by, each.expired) for each in listed] == [
        ("job", "viewer", "ada", False)
    ]
    entries = list_audit(desk).items
    assert [(entry.what, entry.on) for entry in entries] == [("create_token", f"token {made.id}")]
    written = str(listed) + str(entries) + repr(made)
    assert made.token not in written
    assert made.token not in str(desk.producer.client.hgetall("se:tokens"))


@pytest.mark.parametrize(
    ("name", "role", "expires_at"),
    [
        ("", "viewer", None),
        ("x" * 101, "viewer", None),
        ("a\nb", "viewer", None),
        ("job", "king", None),
        ("job", "viewer", datetime.now(UTC) - timedelta(seconds=1)),
        ("job", "viewer", datetime.now(UTC).replace(tzinfo=None) + timedelta(days=9)),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    desk: Desk, name: str, role: str, expires_at: datetime | None
) -> None:
    with pytest.raises(UsageError):
        create_token(desk, name, role, expires_at=expires_at)
    assert list_tokens(desk).items == []


def test_callers_are_told_what_they_may_do(desk: Desk, viewer: Desk) -> None:
    assert "remove_connection" in who_am_i(desk).operations
    looks = [name for name, least in RULES.items() if least is Role.VIEWER]
    assert who_am_i(viewer).operations == sorted(looks)


def test_tokens_are_made_listed_and_revoked_from_the_command_line(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    made = segment_export("token", "create", "job", "--role", "viewer", "--days", "30")
    token = made.stdout.strip()
    assert authenticate(catalog, token, datetime.now(UTC)) is not None
    listed = json.loads(segment_export("token", "list", "--json").stdout)["tokens"]
    listed = [each for each in listed if each["name"] != "administrator"]  # that of who lists them elsewhere
    assert [each["name"] for each in listed] == ["job"]
    assert token not in segment_export("token", "list").stdout
    assert segment_export("token", "revoke", listed[0]["id"]).exit_code == 0
    assert authenticate(catalog, token, datetime.now(UTC)) is None


def test_the_log_is_filtered_and_comes_in_pages(desk: Desk) -> None:
    ids = [create_token(desk, f"job {number}", "viewer").id for number in range(5)]
    revoke_token(desk, ids[0])
    first = list_audit(desk, what="create_token", limit=2)
    assert [entry.on for entry in first.items] == [f"token {ids[4]}", f"token {ids[3]}"]
    assert first.next is not None
    second = list_audit(desk, what="create_token", limit=3, after=first.next)
    assert [entry.on for entry in second.items] == [f"token {each}" for each in reversed(ids[:3])]
    assert second.next is None
    assert list_audit(desk, who="nobody").items == []


def test_a_file_that_is_applied_is_recorded_without_keys_and_people(desk: Desk) -> None:
    applied = apply_catalog(desk, Path("sent.yaml"), FILE.encode())
    assert [change.what for change in applied.changes] == ["changed", "unchanged", "changed"]
    entries = list_audit(desk, what="apply_catalog").items
    assert {entry.on for entry in entries} == {"connection newsletter", "export weekly"}
    assert KEY not in str(entries)
    assert "dana" not in str(desk.producer.audit.newest())


def test_nobody_reads_files_of_this_machine_from_elsewhere(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(FILE)
    with pytest.raises(UsageError, match="No file was sent"):
        apply_catalog(desk, tmp_path / "catalog.yaml")
    content = FILE.replace(KEY, "env:MAILCHIMP_NONE").replace("data/", f"{tmp_path}/")
    sent = apply_catalog(desk, Path("sent.yaml"), content.encode())
    assert sent.warnings == ()
