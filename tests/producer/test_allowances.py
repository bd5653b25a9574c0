"""What HTTP callers may name: rules 3 and 4. Whoever they are, only the operator's variables widen it."""

from datetime import date
from pathlib import Path

import pytest

from producer.allowances import check
from worker.errors import TellOperator
from worker.exports.declarations import Definitions
from worker.exports.definitions import Connection, Consent, Segment
from worker.settings import Settings

CONSENT = Consent(agreed_by="dana", agreed_on=date(2026, 11, 23))


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    for folder in ("secrets", "data"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("SEGMENT_EXPORT_ALLOWED_ENV", "MAILCHIMP_API_KEY, SHOP_*")
    monkeypatch.setenv("SEGMENT_EXPORT_ALLOWED_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.setenv("SEGMENT_EXPORT_SOURCE_ROOTS", f"{tmp_path / 'data'},/srv/more")
    return Settings.from_environment()


def of_key(reference: str, settings: Settings) -> list[str]:
    made = Connection(name="shop", type="mailchimp", api_key=reference, consent=CONSENT)
    return check(Definitions(connections={"shop": made}), settings)


def of_source(source: str, settings: Settings) -> list[str]:
    return check(Definitions(segments={"loyal": Segment(name="loyal", source=source)}), settings)


@pytest.mark.parametrize("reference", ["env:MAILCHIMP_API_KEY", "env:SHOP_KEY", "encrypted:AAAA"])
def test_what_is_allowed_may_be_named(allowed: Settings, reference: str) -> None:
    assert of_key(reference, allowed) == []


@pytest.mark.parametrize(
    "variable",
    ["HOME", "MAILCHIMP_API_KEY_2", "mailchimp_api_key", "SHOP", "REDIS_URL", "SEGMENT_EXPORT_SECRET_KEYS"],
)
def test_rule_3_no_other_variable_may_be_named(allowed: Settings, variable: str) -> None:
    (sentence,) = of_key(f"env:{variable}", allowed)
    assert sentence == (
        "The API key of connection shop names a variable that is not allowed over HTTP: "
        "ask the operator to add it to SEGMENT_EXPORT_ALLOWED_ENV, or give the key itself."
    )


@pytest.mark.parametrize("pattern", ["S*", "SEGMENT_EXPORT_SECRET_KEYS", "SEGMENT_EXPORT_*"])
def test_rule_3_the_installations_own_secrets_are_never_allowed(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_ALLOWED_ENV", pattern)
    assert of_key("env:SEGMENT_EXPORT_SECRET_KEYS", Settings.from_environment())


def test_rule_3_files_stay_below_the_allowed_folders(allowed: Settings, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "out").symlink_to("/etc/passwd")
    (tmp_path / "secrets" / "loop").symlink_to("loop")
    assert of_key(f"file:{tmp_path}/secrets/key", allowed) == []
    for place in (
        "/etc/passwd",
        "secrets/key",
        f"{tmp_path}/secrets",
        f"{tmp_path}/secrets/../key",
        f"{tmp_path}/secrets2/key",
        f"{tmp_path}/secrets/out",
        f"{tmp_path}/secrets/loop",
        "/proc/self/environ",
    ):
        (sentence,) = of_key(f"file:{place}", allowed)
        assert "names a file that is not allowed over HTTP: name one below a folder of" in sentence
        assert place not in sentence


def test_rule_4_sources_stay_below_their_roots(allowed: Settings, tmp_path: Path) -> None:
    (tmp_path / "data" / "out").symlink_to(tmp_path)
    for source in (
        f"{tmp_path}/data/x.csv",
        f"{tmp_path}/data/{{refresh_id}}/{{segment}}.parquet",
        f"file://{tmp_path}/data/x.csv",
        "/srv/more/x.csv",
    ):
        assert of_source(source, allowed) == []
    for source in (
        "/etc/x.csv",
        "data/x.csv",
        "~/x.csv",
        f"{tmp_path}/data/../x.csv",
        f"{tmp_path}/data2/x.csv",
        f"{tmp_path}/data/out/x.csv",
        f"{tmp_path}/data/out/{{refresh_id}}.csv",
        "file:///etc/x.csv",
        f"file://{tmp_path}/data/%2e%2e/x.csv",
        f"file://{tmp_path}/data/..%2fx.csv",
        f"file://{tmp_path}/data/a%00.csv",
        f"/{tmp_path}/../etc/x.csv",
    ):
        (sentence,) = of_source(source, allowed)
        assert sentence == (
            "The source of segment loyal is a file that is not allowed over HTTP: "
            "name one below a folder of SEGMENT_EXPORT_SOURCE_ROOTS, by its absolute path and without `..`."
        )


@pytest.mark.parametrize("reference", ["env:MAILCHIMP_API_KEY", "file:/run/secrets/key"])
def test_rules_3_and_4_without_a_word_of_the_operators_nothing_is_allowed(
    settings: Settings, reference: str
) -> None:
    nothing = settings.model_copy(update={"allowed_env": (), "allowed_secrets": (), "source_roots": ()})
    assert len(of_key(reference, nothing)) == len(of_source("/srv/x.csv", nothing)) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALLOWED_ENV", "*"),
        ("ALLOWED_ENV", "A,,B"),
        ("ALLOWED_ENV", "A B"),
        ("ALLOWED_ENV", ""),
        ("ALLOWED_SECRETS", "secrets"),
        ("SOURCE_ROOTS", "/srv/../etc"),
        ("SOURCE_ROOTS", "/srv,"),
    ],
)
def test_an_allowance_that_says_nothing_clear_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"SEGMENT_EXPORT_{variable}", value)
    with pytest.raises(TellOperator, match=f"SEGMENT_EXPORT_{variable} is"):
        Settings.from_environment()
