"""What the desk elsewhere gives back is what the one here does, as far as the token's role goes."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from producer.access import Forbidden
from producer.application import Producer
from producer.desk import AnyDesk, Desk
from producer.events import run_export
from producer.following import follow
from producer.operations.audit import list_audit
from producer.operations.connections import list_connections, pause_connection, show_connection
from producer.operations.documents import ConnectionSummary
from producer.operations.exports import list_exports, show_export
from producer.operations.runs import list_runs, show_run, watch_run
from producer.operations.segments import add_segment, list_segments, show_segment
from producer.operations.tokens import create_token, list_tokens, who_am_i
from producer.remote.elsewhere import Elsewhere
from tests.catalogs import two_segments
from tests.mailchimp_standin.validation import MergeField
from tests.producer.conftest import Work
from tests.producer.test_following_runs import Notes, Steps
from tests.profiles import segments
from tests.remote.conftest import At, command
from tests.system import BIN, System
from worker.errors import NotThere, Unavailable, UsageError
from worker.exports.definitions import Segment


@pytest.fixture
def far(at: At) -> Elsewhere:
    return at("administrator")


def same(far: Elsewhere, here: Producer, ask: Callable[[AnyDesk], Any]) -> Any:
    """What an operation gives back at both desks."""
    there = ask(far.desk)
    assert there == ask(Desk.local(here))
    return there


@pytest.mark.parametrize(
    "ask",
    [
        list_connections,
        list_exports,
        list_segments,
        list_runs,
        list_audit,
        list_tokens,
        lambda desk: show_connection(desk, "newsletter"),
        lambda desk: show_export(desk, "weekly"),
        lambda desk: show_segment(desk, "loyal"),
        lambda desk: list_exports(desk, enabled=True, segment="churn"),
        lambda desk: list_exports(desk, enabled=False),
        lambda desk: list_runs(desk, export="weekly", limit=1),
        lambda desk: show_run(desk, list_runs(desk).items[0].run_id),
    ],
)
def test_a_document_is_the_same_at_both_desks(
    far: Elsewhere, catalog: Producer, work: Work, ask: Callable[[AnyDesk], Any]
) -> None:
    add_segment(Desk.local(catalog), "new", {"source": "data/new.csv"})
    create_token(Desk.local(catalog), "job", "viewer")
    work.do(run_export(catalog, "weekly").run_id, read=1234, rejected=34)
    run_export(catalog, "weekly")
    assert same(far, catalog, ask)


def test_a_long_list_is_as_long_as_it_was_asked_for(far: Elsewhere, catalog: Producer) -> None:
    names = [f"segment-{number:03}" for number in range(430)]
    catalog.catalog.save(segments=[Segment(name=name, source="data/x.csv") for name in names])
    assert len(same(far, catalog, list_segments).items) == 432
    part = same(far, catalog, lambda desk: list_segments(desk, limit=300, after="segment-009"))
    assert (len(part.items), part.next) == (300, "segment-309")
    assert same(far, catalog, lambda desk: list_segments(desk, limit=432)).next is None


def test_who_calls_is_the_token(far: Elsewhere, catalog: Producer) -> None:
    assert who_am_i(far.desk).name == "administrator"
    pause_connection(far.desk, "newsletter")
    assert list_audit(Desk.local(catalog)).items[0].who == "administrator"


def test_a_contributor_sees_the_name_and_type_of_what_is_shared(at: At, catalog: Producer) -> None:
    shared = catalog.catalog.connection("second").model_copy(update={"access": "contributors"})
    catalog.catalog.save([shared])
    far = at("contributor")
    summary = ConnectionSummary(name="second", display_name="second", type="mailchimp")
    assert list_connections(far.desk).items == [summary]
    rows = command(far, "get", "connections").stdout.splitlines()
    assert rows[0].split() == ["NAME", "DISPLAY", "NAME", "TYPE"]
    assert [row.split() for row in rows[1:]] == [["second", "second", "mailchimp"]]
    listed = command(far, "get", "connections", "--json").stdout
    assert listed == '{"connections":[{"name":"second","display_name":"second","type":"mailchimp"}]}\n'


def test_a_role_that_does_not_cover_it_is_one_sentence(at: At) -> None:
    far = at("viewer")
    result = command(far, "run", "weekly")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "viewer is a viewer, and this asks for a contributor: "
        "use a token of that role, or ask an administrator.\n"
    )
    with pytest.raises(Forbidden):
        list_tokens(far.desk)


def test_a_token_that_was_revoked_is_one_sentence(far: Elsewhere, catalog: Producer) -> None:
    (token,) = catalog.tokens.all()
    assert command(far, "token", "revoke", token.id).exit_code == 0
    result = command(far, "get", "runs")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "does not take the token (any more): set SEGMENT_EXPORT_API_TOKEN" in result.stderr


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a b", "a?full=true", "", "%2e%2e", "ä", "x" * 101])
def test_what_can_be_no_name_is_sent_nowhere(far: Elsewhere, name: str) -> None:
    result = command(far, "export", "remove", "--", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("There is nothing that is called ")


def test_a_value_can_not_stand_for_the_name(far: Elsewhere, catalog: Producer) -> None:
    result = command(far, "segment", "add", "new", "name=other", "source=data/x.csv")
    assert (result.exit_code, result.stderr) == (
        1,
        "The key name can't be given as a value: take it out.\n",
    )
    assert "other" not in catalog.catalog.everything().segments


def test_an_operation_without_a_call_can_not_be_asked(far: Elsewhere) -> None:
    def grow_older(_desk: Desk) -> None:
        """No operation."""

    with pytest.raises(UsageError, match="grow_older can't be done by way of SEGMENT_EXPORT_API_URL"):
        far.desk.carry_out(grow_older)


def end(work: Work, run_id: str) -> None:
    """Delivers the last chunk of a run, and ends it."""
    work.deliver(run_id, 1)
    work.finish(run_id)


def stages(desk: AnyDesk, run_ids: Sequence[str], *steps: Callable[[], object]) -> tuple[list[str], Notes]:
    """What a screen shows while things happen."""
    screen, clock = Notes(), Steps(*steps, takes=1.0)
    follow(watch_run(desk, *run_ids), screen, desk.idle, pause=clock.pause, clock=clock.clock)
    return screen.stages, screen


def test_a_run_is_followed_as_it_is_here(far: Elsewhere, catalog: Producer, work: Work) -> None:
    run_id = run_export(catalog, "weekly").run_id
    seen, screen = stages(
        far.desk,
        [run_id],
        lambda: work.plan(run_id, read=200),
        lambda: work.deliver(run_id, 1),
        lambda: catalog.slots.pause("newsletter"),
        lambda: catalog.slots.resume("newsletter"),
        lambda: end(work, run_id),
    )
    assert seen == ["queued", "uploading", "uploading", "paused", "uploading", "successful"]
    calls = screen.looks[2][0].calls
    assert calls is not None
    assert (calls.open, calls.limit) == (1, 10)
    assert screen.looks[2][0].rate == 100
    assert screen.said == []


def test_who_may_not_see_the_connection_still_sees_the_run(at: At, catalog: Producer, work: Work) -> None:
    run_id = run_export(catalog, "weekly").run_id
    work.plan(run_id, read=200)
    far = at("viewer")
    (look,) = watch_run(far.desk, run_id).look(0)
    assert (look.stage, look.calls, look.total) == ("uploading", None, 200)


def test_an_api_that_restarts_is_waited_for(
    far: Elsewhere, catalog: Producer, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run_export(catalog, "weekly").run_id
    wire = far.desk._wire

    def gone(*_: object) -> None:
        raise Unavailable("Nobody is there.")

    seen, screen = stages(
        far.desk,
        [run_id],
        lambda: monkeypatch.setattr(wire, "ask", gone),
        monkeypatch.undo,
        lambda: work.do(run_id),
    )
    assert seen == ["queued", "queued", "successful"]
    assert screen.said == ["The API does not answer; runs go on all the same."]


def test_a_run_that_nobody_knows_is_not_followed(far: Elsewhere) -> None:
    with pytest.raises(NotThere, match="There is no run nope"):
        watch_run(far.desk, "nope")


def test_from_a_machine_with_nothing_but_a_url_and_a_token(tmp_path: Path) -> None:
    with System(processes=1) as system:
        system.standin.audience().add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        system.standin.audience().add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        made = system.command("token", "create", "laptop", "--role", "administrator", capture_output=True)
        variables = {
            "PATH": str(BIN),
            "SEGMENT_EXPORT_API_URL": system.start_web(
                SEGMENT_EXPORT_ALLOWED_ENV="MAILCHIMP_API_KEY", SEGMENT_EXPORT_SOURCE_ROOTS=str(system.data)
            ).url,
            "SEGMENT_EXPORT_API_TOKEN": made.stdout.strip(),
        }

        def far(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [BIN / "segment-export", *arguments],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        (tmp_path / "catalog.yaml").write_text(two_segments(system.data))
        assert far("apply", "-f", "catalog.yaml").returncode == 0
        checked = far("check", "newsletter")
        assert "Mailchimp answers and takes the key." in checked.stdout, checked
        segments(2_000).write(system.data / "r1")
        refreshed = far("refresh", "r1", "--wait")
        assert "profiles read" in refreshed.stdout, refreshed
        run_id = system.command("get", "runs", capture_output=True).stdout.splitlines()[1].split()[0]
        rows = far("rejected", run_id, "--format", "ndjson").stdout
        here = system.command("rejected", run_id, "--format", "ndjson", capture_output=True).stdout
        assert (rows, len(rows) > 0) == (here, True)
        assert [path.name for path in tmp_path.iterdir()] == ["catalog.yaml"]
