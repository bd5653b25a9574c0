from collections.abc import Iterator
from datetime import timedelta

import pytest

from producer.application import Producer
from producer.checking import inspect
from producer.events import run_export
from producer.findings import Finding
from tests.mailchimp_standin import API_KEY, LIST_ID, Bare, MergeField, Standin, UnderReview
from tests.producer.conftest import SegmentExport, Work
from worker.settings import Settings


@pytest.fixture
def mailchimp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """A stand-in whose account newsletter's key opens."""
    with Standin() as standin:
        monkeypatch.setenv("SEGMENT_EXPORT_MAILCHIMP_URL", standin.url)
        monkeypatch.setenv("MAILCHIMP_API_KEY", API_KEY)
        yield standin


@pytest.fixture
def settings(mailchimp: Standin, settings: Settings) -> Settings:  # noqa: ARG001 - its address is set first
    return Settings.from_environment()


def findings(producer: Producer, name: str = "newsletter") -> list[Finding]:
    return list(inspect(producer, producer.catalog.connection(name)))


def failures(producer: Producer) -> list[str]:
    return [finding.sentence for finding in findings(producer) if finding.level == "fail"]


@pytest.mark.usefixtures("catalog")
def test_a_connection_that_works_is_told_line_by_line(
    mailchimp: Standin, segment_export: SegmentExport
) -> None:
    mailchimp.account().configure(name="Dana's shop")
    mailchimp.audience().configure(name="Customers")
    result = segment_export("check", "newsletter")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ok    The API key of newsletter is there.",
        "ok    Mailchimp answers and takes the key.",
        'ok    Account "Dana\'s shop", 0 contacts, pays monthly.',
        f'ok    by-hand: audience {LIST_ID} is "Customers", 0 members.',
        "ok    by-hand: the merge fields it fills (0) fit.",
        f'ok    weekly: audience {LIST_ID} is "Customers", 0 members.',
        "ok    weekly: the merge fields it fills (1) fit.",
    ]


def test_a_missing_merge_field_and_a_required_one_are_told(catalog: Producer, mailchimp: Standin) -> None:
    mailchimp.audience().delete_merge_field("FNAME")
    mailchimp.audience().add_merge_field(MergeField(tag="SHOP", required=True))
    required = "the audience requires merge field SHOP: map it in attributes, or make it optional."
    assert failures(catalog) == [
        f"by-hand: {required}",
        "weekly: the audience has no merge field FNAME; did you mean LNAME?",
        f"weekly: {required}",
    ]


def test_a_merge_field_that_the_export_makes_is_no_fault(catalog: Producer, mailchimp: Standin) -> None:
    mailchimp.audience().delete_merge_field("FNAME")
    export = catalog.catalog.export("weekly").model_copy(update={"create_merge_fields": True})
    catalog.catalog.save(exports=[export])
    assert failures(catalog) == []
    assert "weekly: 1 merge field will be made by its first run." in [
        finding.sentence for finding in findings(catalog)
    ]


def test_an_address_field_mapped_like_a_text_is_told(catalog: Producer) -> None:
    export = catalog.catalog.export("weekly").model_copy(update={"attributes": {"ADDRESS": "street"}})
    catalog.catalog.save(exports=[export])
    assert failures(catalog) == [
        "weekly: merge field ADDRESS is of type address: give it columns for addr1, city, state and zip."
    ]


def test_a_missing_audience_is_told_for_each_export(
    catalog: Producer, mailchimp: Standin, segment_export: SegmentExport
) -> None:
    mailchimp.audience().delete()
    assert [sentence[:35] for sentence in failures(catalog)] == [
        "by-hand: Mailchimp has no audience ",
        "weekly: Mailchimp has no audience a",
    ]
    assert segment_export("check", "newsletter").exit_code == 1


def test_a_refused_key_ends_the_check(catalog: Producer, mailchimp: Standin) -> None:
    mailchimp.account().configure(revoked=True)
    assert [finding.level for finding in findings(catalog)] == ["ok", "fail"]
    assert failures(catalog)[0].startswith("Mailchimp refuses the connection's API key (401")


def test_a_key_that_is_not_here_is_told_without_a_call(
    catalog: Producer, mailchimp: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILCHIMP_API_KEY")
    (sentence,) = failures(catalog)
    assert sentence == (
        "The API key of newsletter is not known here (environment variable MAILCHIMP_API_KEY is missing): "
        "set it here as in the workers, or check the connection where they run."
    )
    assert mailchimp.statistics().calls == 0


def test_trouble_that_passes_says_to_check_again(catalog: Producer, mailchimp: Standin) -> None:
    mailchimp.add_fault(Bare(status=429))
    (sentence,) = failures(catalog)
    assert sentence == ("Mailchimp has enough calls of this account open (429): check again in a moment.")


def test_an_account_under_review_is_told(catalog: Producer, mailchimp: Standin) -> None:
    mailchimp.add_fault(UnderReview())
    assert "while it reviews it" in failures(catalog)[0]


def test_a_connection_without_exports_is_told(catalog: Producer, mailchimp: Standin) -> None:
    connection = catalog.catalog.connection("newsletter")
    catalog.catalog.save([connection.model_copy(update={"name": "spare"})])
    last = findings(catalog, "spare")[-1]
    assert (last.level, last.sentence) == (
        "warn",
        "No export goes over connection spare: declare one, then check again.",
    )
    assert mailchimp.statistics().calls == 2


def test_a_paused_connection_is_not_called(catalog: Producer, mailchimp: Standin) -> None:
    catalog.slots.pause("newsletter")
    assert failures(catalog)[0].startswith("Connection newsletter is paused: `segment-export resume")
    assert mailchimp.statistics().calls == 0


def test_a_check_waits_for_a_slot_and_gives_up_in_a_sentence(
    catalog: Producer, mailchimp: Standin, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.checking._PATIENCE", timedelta(seconds=-1))
    work.plan(run_export(catalog, "weekly").run_id, read=2000)
    assert catalog.slots.state("newsletter").open == 10
    assert failures(catalog)[0].startswith("All calls that connection newsletter may have open are taken")
    assert mailchimp.statistics().calls == 0


def test_a_check_leaves_no_slot_taken(catalog: Producer, mailchimp: Standin) -> None:
    findings(catalog)
    mailchimp.add_fault(Bare(status=500))
    findings(catalog)
    assert catalog.slots.state("newsletter").open == 0
    assert catalog.slots.working() == []
