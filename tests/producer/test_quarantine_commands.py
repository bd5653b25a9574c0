import json
from datetime import UTC, datetime, timedelta

import pytest

from producer.application import Producer
from producer.events import run_export
from producer.quarantine import let_out
from tests.producer.conftest import AUDIENCE, SegmentExport, Work
from worker.errors import UsageError
from worker.state import keys
from worker.store.snapshots import Manifest, Quarantined, commit, read_manifest

NOW = datetime.now(UTC)


def refused(email: str, *, days: int = 30, message: str = "looks fake or invalid") -> Quarantined:
    until = (NOW + timedelta(days=days)).isoformat()
    return Quarantined(bytes(16), bytes(16), email, "ERROR_GENERIC", message, until)


def remember(producer: Producer, *quarantine: Quarantined, audience_id: str = AUDIENCE) -> None:
    """A snapshot of the export `weekly` with these people in quarantine."""
    made = NOW.isoformat()
    manifest = Manifest(
        export="weekly",
        version="r1-1",
        audience_id=audience_id,
        tags=("loyal",),
        shards=(),
        members=0,
        made_at=made,
        last_full=made,
        quarantine=quarantine,
    )
    commit(producer.objects, producer.keyring, manifest)
    producer.client.set(keys.snapshot("weekly"), "r1-1")


def left(producer: Producer) -> list[str]:
    manifest = read_manifest(producer.objects, producer.keyring, "weekly", "r1-1")
    return [each.email for each in manifest.quarantine]


def test_quarantine_is_listed_with_reason_and_end(catalog: Producer, segment_export: SegmentExport) -> None:
    remember(catalog, refused("late@x.org"), refused("soon@x.org", days=1), refused("over@x.org", days=-1))
    listed = json.loads(segment_export("quarantine", "list", "weekly", "--json").stdout)
    assert listed["export"] == "weekly"
    assert [each["email"] for each in listed["quarantine"]] == ["soon@x.org", "late@x.org"]
    assert listed["quarantine"][0].keys() == {"email", "code", "reason", "until"}
    rows = segment_export("quarantine", "list", "weekly").stdout.splitlines()
    assert rows[0].split() == ["ADDRESS", "UNTIL", "(UTC)", "CODE", "REASON"]
    assert rows[1].startswith("soon@x.org")


def test_what_mailchimp_says_can_not_steer_a_terminal(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    remember(catalog, refused("a@x.org", message="no\x1b[2J\r\n" + "x" * 200))
    row = segment_export("quarantine", "list", "weekly").stdout.splitlines()[1]
    assert "\x1b" not in row
    assert row.endswith("xxx…")


@pytest.mark.parametrize("forget", ["nothing", "store", "audience"])
def test_nobody_is_in_the_quarantine_of_an_export_that_remembers_nothing(
    catalog: Producer, segment_export: SegmentExport, forget: str
) -> None:
    if forget == "store":
        catalog.client.set(keys.snapshot("weekly"), "r1-1")
    if forget == "audience":
        remember(catalog, refused("a@x.org"), audience_id="0000000000")
    result = segment_export("quarantine", "list", "weekly")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nobody is in the quarantine of weekly.\n"
    assert segment_export("quarantine", "clear", "weekly").stdout == "0 profiles let out of quarantine.\n"


def test_one_address_is_let_out_however_it_is_written(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    remember(catalog, refused("a@x.org"), refused("b@x.org"))
    result = segment_export("quarantine", "clear", "weekly", " A@X.org")
    assert result.stdout == "1 profile let out of quarantine: the next run sends them again.\n"
    assert left(catalog) == ["b@x.org"]


def test_all_are_let_out(catalog: Producer) -> None:
    remember(catalog, refused("a@x.org"), refused("b@x.org"))
    assert (let_out(catalog, "weekly"), left(catalog)) == (2, [])


def test_an_address_that_is_not_in_quarantine_is_not_repeated(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    remember(catalog, refused("a@x.org"))
    result = segment_export("quarantine", "clear", "weekly", "b@x.org")
    assert result.exit_code == 1
    assert result.stderr == (
        "That address is not in the quarantine of export weekly: "
        "see `segment-export quarantine list weekly`.\n"
    )


def test_nobody_is_let_out_while_a_run_is_under_way(catalog: Producer) -> None:
    remember(catalog, refused("a@x.org"))
    run_id = run_export(catalog, "weekly").run_id
    with pytest.raises(UsageError, match=rf"^Run {run_id} of export weekly is under way .* has ended\.$"):
        let_out(catalog, "weekly")
    assert left(catalog) == ["a@x.org"]


def test_a_held_run_keeps_nobody_in_for_it_is_planned_again(catalog: Producer) -> None:
    remember(catalog, refused("a@x.org"))
    claim = catalog.runs.claim_plan(run_export(catalog, "weekly").run_id, tries=1)
    assert claim is not None
    assert catalog.runs.hold(claim, "It would take out too many.")
    assert let_out(catalog, "weekly") == 1


def test_a_run_that_ends_meanwhile_is_noticed(
    catalog: Producer, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(catalog, refused("a@x.org"))

    def overtaken(*given: object) -> None:
        commit(*given)  # type: ignore[arg-type]
        work.producer.client.set(keys.snapshot("weekly"), "r2-1")

    monkeypatch.setattr("producer.quarantine.commit", overtaken)
    with pytest.raises(UsageError, match="has ended meanwhile: clear its quarantine again"):
        let_out(catalog, "weekly")


@pytest.mark.parametrize("command", ["list", "clear"])
@pytest.mark.usefixtures("catalog")
def test_an_unknown_export_is_one_sentence(segment_export: SegmentExport, command: str) -> None:
    result = segment_export("quarantine", command, "wekly")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "There is no export 'wekly'; did you mean weekly?\n"
