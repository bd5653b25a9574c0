"""Authenticate with Mailchimp: from the link to a connection that works."""

import base64
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from producer.application import Producer
from producer.authorizing import begin, complete
from producer.checking import inspect
from producer.declaring import CatalogRefused
from producer.desk import Desk
from producer.operations.connections import authorize_connection
from tests.fundamentals.leaks import found
from tests.mailchimp_standin import Standin
from tests.producer.conftest import SegmentExport
from worker.credentials import resolve
from worker.errors import Conflicts, UsageError
from worker.exports.definitions import public
from worker.settings import Settings

SECRET = "5ec2e75ec2e7-client"  # noqa: S105 (nobody's)
CALLBACK = "https://exports.example.com/oauth/callback"


@pytest.fixture
def mailchimp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """A stand-in at which this installation is an app."""
    with Standin() as standin:
        standin.add_app("app", SECRET, CALLBACK)
        for name, value in {
            "SEGMENT_EXPORT_MAILCHIMP_URL": standin.url,
            "SEGMENT_EXPORT_MAILCHIMP_LOGIN_URL": standin.url,
            "SEGMENT_EXPORT_OAUTH_CLIENT_ID": "app",
            "SEGMENT_EXPORT_OAUTH_CLIENT_SECRET": SECRET,
            "SEGMENT_EXPORT_PUBLIC_URL": "https://exports.example.com/",
        }.items():
            monkeypatch.setenv(name, value)
        yield standin


@pytest.fixture
def settings(mailchimp: Standin, settings: Settings) -> Settings:  # noqa: ARG001 - its address is set first
    return Settings.from_environment()


def agree(link: str) -> dict[str, str]:
    """What a person who follows the link brings back."""
    response = httpx.get(link, trust_env=False)
    assert response.headers["Location"].startswith(f"{CALLBACK}?")
    brought = parse_qs(urlsplit(response.headers["Location"]).query)
    return {name: brought.get(name, [""])[0] for name in ("state", "code")}


def link(producer: Producer, name: str = "newsletter") -> str:
    return begin(producer, "dana", producer.catalog.connection(name))


def kept(producer: Producer) -> list[str]:
    return list(producer.client.scan_iter("se:oauth:*"))


def link_to_new(producer: Producer, **values: str) -> str:
    consent = {"agreed_by": "dana@example.com", "agreed_on": "2026-11-23"}
    given = {"type": "mailchimp", "consent": consent, **values}
    return authorize_connection(Desk.local(producer), "fresh", given).link


def test_a_connection_works_with_the_token_that_somebody_gave(catalog: Producer, mailchimp: Standin) -> None:
    done = complete(catalog, **agree(link(catalog)))
    stored = catalog.catalog.connection("newsletter")
    assert done.connection == stored
    assert (done.by, done.account, stored.data_centre) == ("dana", "Stand-in", "us1")
    (entry,) = catalog.audit.newest()
    assert (entry.who, entry.what, entry.on) == ("dana", "authorize_connection", "connection newsletter")
    assert mailchimp.tokens()[0] not in entry.before + entry.after
    assert resolve(stored.api_key, "newsletter", catalog.keyring, {}) == mailchimp.tokens()[0]
    assert {finding.level for finding in inspect(catalog, stored)} <= {"ok", "fail"}
    assert "Mailchimp answers and takes the key." in [each.sentence for each in inspect(catalog, stored)]


@pytest.mark.usefixtures("mailchimp")
def test_a_connection_that_is_added_so_is_there_only_when_somebody_agreed(catalog: Producer) -> None:
    brought = agree(link_to_new(catalog, display_name="Fresh"))
    with pytest.raises(UsageError, match="There is no connection 'fresh'"):
        catalog.catalog.connection("fresh")
    complete(catalog, **brought)
    assert catalog.catalog.connection("fresh").display_name == "Fresh"


def test_a_connection_that_was_added_meanwhile_is_not_replaced(catalog: Producer) -> None:
    brought = agree(link_to_new(catalog))
    other = catalog.catalog.connection("newsletter").model_copy(update={"name": "fresh"})
    catalog.catalog.save([other])
    with pytest.raises(UsageError, match="Connection fresh was added meanwhile: authorize it again"):
        complete(catalog, **brought)
    assert catalog.catalog.connection("fresh") == other


@pytest.mark.usefixtures("mailchimp")
def test_a_connection_is_added_without_a_key_or_not_at_all(catalog: Producer) -> None:
    with pytest.raises(UsageError, match="Leave api_key out"):
        link_to_new(catalog, api_key="env:MAILCHIMP_API_KEY")
    with pytest.raises(UsageError, match="There is a connection newsletter already"):
        authorize_connection(Desk.local(catalog), "newsletter", {"type": "mailchimp"})
    with pytest.raises(CatalogRefused, match="Connection fresh has no consent"):
        authorize_connection(Desk.local(catalog), "fresh", {"type": "mailchimp"})


def test_what_was_changed_meanwhile_stays_changed(catalog: Producer) -> None:
    brought = agree(link(catalog))
    changed = catalog.catalog.connection("newsletter").model_copy(update={"max_connections": 3})
    catalog.catalog.save([changed])
    complete(catalog, **brought)
    assert catalog.catalog.connection("newsletter").max_connections == 3


def test_a_state_is_good_once(catalog: Producer) -> None:
    brought = agree(link(catalog))
    complete(catalog, **brought)
    with pytest.raises(UsageError, match=r"^Nothing was begun with this link, or it was used already"):
        complete(catalog, **brought)


def test_a_state_is_used_up_by_a_code_that_is_refused(catalog: Producer, mailchimp: Standin) -> None:
    brought = agree(link(catalog))
    with pytest.raises(UsageError, match=r"^Mailchimp does not take what its page gave"):
        complete(catalog, state=brought["state"], code="made-up")
    with pytest.raises(UsageError, match=r"^Nothing was begun with this link"):
        complete(catalog, **brought)
    assert (mailchimp.tokens(), kept(catalog)) == ([], [])


@pytest.mark.parametrize("state", ["", "made-up", "\0", "\ud800", "x" * 10_000])
def test_a_state_that_nobody_was_given_asks_mailchimp_nothing(
    catalog: Producer, mailchimp: Standin, state: str
) -> None:
    code = agree(link(catalog))["code"]
    with pytest.raises(UsageError, match=r"^Nothing was begun with this link"):
        complete(catalog, state=state, code=code)
    assert mailchimp.tokens() == []


def test_a_state_ends_after_ten_minutes(catalog: Producer) -> None:
    brought = agree(link(catalog))
    (key,) = kept(catalog)
    assert 590 < catalog.client.ttl(key) <= 600
    catalog.client.pexpire(key, 0)
    with pytest.raises(UsageError, match="is older than ten minutes: begin the authorization again"):
        complete(catalog, **brought)


def test_a_state_is_256_random_bits_and_only_its_hash_is_stored(catalog: Producer) -> None:
    states = {parse_qs(urlsplit(link(catalog)).query)["state"][0] for _ in range(3)}
    assert len(states) == 3
    stored = repr([(key, catalog.client.get(key)) for key in kept(catalog)])
    assert all(len(base64.urlsafe_b64decode(state + "=")) == 32 for state in states)
    assert not any(state in stored for state in states)


def test_who_does_not_agree_leaves_everything_as_it_was(catalog: Producer, mailchimp: Standin) -> None:
    before = catalog.catalog.connection("newsletter")
    mailchimp.configure_login(deny=True)
    with pytest.raises(
        UsageError, match="newsletter was not authorized at Mailchimp: begin again, and agree"
    ):
        complete(catalog, **agree(link(catalog)))
    assert catalog.catalog.connection("newsletter") == before


def test_a_connection_that_is_gone_gets_no_token(catalog: Producer, mailchimp: Standin) -> None:
    brought = agree(link(catalog))
    catalog.client.delete("se:catalog:connections")
    with pytest.raises(UsageError, match="There is no connection 'newsletter'"):
        complete(catalog, **brought)
    assert mailchimp.tokens() == []


@pytest.mark.parametrize("missing", ["OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "PUBLIC_URL"])
def test_without_an_app_it_is_one_sentence(
    catalog: Producer, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(f"SEGMENT_EXPORT_{missing}")
    bare = Producer(Settings.from_environment(), client=catalog.client)
    with pytest.raises(Conflicts, match=r"^This installation is not set up to authenticate with Mailchimp"):
        link(bare)


@pytest.mark.usefixtures("catalog", "mailchimp")
def test_the_command_prints_the_link_and_nothing_else(segment_export: SegmentExport) -> None:
    result = segment_export("connection", "authorize", "newsletter")
    assert result.exit_code == 0
    assert result.stdout.startswith("http")
    assert len(result.stdout.splitlines()) == 1
    assert "ten minutes" in result.stderr


@pytest.mark.usefixtures("catalog")
def test_the_command_knows_no_other_connection(segment_export: SegmentExport) -> None:
    result = segment_export("connection", "authorize", "newsleter")
    assert (result.exit_code, result.stderr[:38]) == (1, "There is no connection 'newsleter'; di")


def test_rule_2_token_and_client_secret_stand_nowhere(
    catalog: Producer, mailchimp: Standin, segment_export: SegmentExport
) -> None:
    complete(catalog, **agree(link(catalog)))
    (token,) = mailchimp.tokens()
    stored = catalog.client.hgetall("se:catalog:connections")
    shown = (
        segment_export("get", "connections", "--json").stdout + segment_export("get", "connections").stdout
    )
    settings = f"{catalog.settings!r} {catalog.settings.model_dump_json()}"
    seen = f"{stored} {shown} {settings} {public(catalog.catalog.connection('newsletter'))}".encode()
    assert found(token, seen) == found(SECRET, seen) == []
