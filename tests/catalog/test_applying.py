from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from producer.applying import Applied, apply
from producer.declaring import CatalogRefused
from worker.credentials import resolve
from worker.errors import UsageError
from worker.keyring import Keyring
from worker.state import keys
from worker.state.catalog import Catalog

Write = Callable[[str | bytes], Path]

KEY = "0123456789abcdef0123456789abcdef-us6"
FILE = """\
connections:
  newsletter:
    type: mailchimp
    api_key: {key}
    consent: {{agreed_by: Dana, agreed_on: 2026-11-23}}
segments:
  loyal: {{source: loyal.csv}}
exports:
  weekly: {{connection: newsletter, audience_id: a1b2c3d4e5, segments: [loyal], email: {email}}}
"""


def file(key: str = KEY, email: str = "email") -> str:
    return FILE.format(key=key, email=email)


def told(applied: Applied) -> dict[str, str]:
    return {change.name: change.what for change in applied.changes}


def stored(client: "redis.Redis") -> object:
    hashes = (keys.CATALOG_CONNECTIONS, keys.CATALOG_SEGMENTS, keys.CATALOG_EXPORTS)
    return [client.hgetall(key) for key in hashes]


def test_what_is_applied_is_in_the_catalog(write: Write, catalog: Catalog, keyring: Keyring) -> None:
    applied = apply(write(file()), catalog, keyring, {})
    assert [(change.kind, change.name, change.what) for change in applied.changes] == [
        ("connection", "newsletter", "added"),
        ("segment", "loyal", "added"),
        ("export", "weekly", "added"),
    ]
    assert applied.warnings == ()
    export, connection, segments = catalog.export_bundle("weekly")
    assert (export.email, connection.name, [segment.name for segment in segments]) == (
        "email",
        "newsletter",
        ["loyal"],
    )


def test_a_literal_key_is_stored_encrypted_and_resolved_again(
    write: Write, catalog: Catalog, keyring: Keyring, fake: "redis.Redis"
) -> None:
    apply(write(file()), catalog, keyring, {})
    assert KEY not in str(stored(fake))
    assert resolve(catalog.connection("newsletter").api_key, "newsletter", keyring, {}) == KEY


@pytest.mark.parametrize("key", [KEY, "env:MC_KEY"])
def test_the_same_file_again_changes_nothing(
    write: Write, catalog: Catalog, keyring: Keyring, fake: "redis.Redis", key: str
) -> None:
    apply(write(file(key)), catalog, keyring, {})
    before = stored(fake)
    assert set(told(apply(write(file(key)), catalog, keyring, {})).values()) == {"unchanged"}
    assert stored(fake) == before


def test_only_what_changed_is_told_as_changed(write: Write, catalog: Catalog, keyring: Keyring) -> None:
    apply(write(file()), catalog, keyring, {})
    applied = apply(write(file(email="address")), catalog, keyring, {})
    assert told(applied) == {"newsletter": "unchanged", "loyal": "unchanged", "weekly": "changed"}
    assert catalog.export("weekly").email == "address"


@pytest.mark.parametrize(
    ("before", "after"),
    [(KEY, f"1{KEY[1:]}"), (KEY, "env:MC_KEY"), ("env:MC_KEY", KEY), ("env:MC_KEY", "env:OTHER")],
)
def test_another_key_is_a_change(
    write: Write, catalog: Catalog, keyring: Keyring, before: str, after: str
) -> None:
    apply(write(file(before)), catalog, keyring, {"MC_KEY": KEY})
    assert told(apply(write(file(after)), catalog, keyring, {"MC_KEY": KEY}))["newsletter"] == "changed"


def test_a_key_that_can_not_be_opened_any_more_is_replaced(
    write: Write, catalog: Catalog, keyring: Keyring
) -> None:
    apply(write(file()), catalog, Keyring([b"x" * 32]), {})
    assert told(apply(write(file()), catalog, keyring, {}))["newsletter"] == "changed"
    assert resolve(catalog.connection("newsletter").api_key, "newsletter", keyring, {}) == KEY


def test_a_file_with_a_problem_saves_nothing_and_tells_all(
    write: Write, catalog: Catalog, keyring: Keyring, fake: "redis.Redis"
) -> None:
    path = write(file(email="").replace("loyal.csv", "loyal.xls"))
    with pytest.raises(CatalogRefused) as caught:
        apply(path, catalog, keyring, {})
    assert isinstance(caught.value, UsageError)
    assert [problem.line for problem in caught.value.problems] == [7, 9]
    assert str(caught.value) == (
        f"{path}:7: source of segment loyal names no file that can be read; "
        "its name must end in .parquet, .csv, .ndjson, .jsonl.\n"
        f"{path}:9: email of export weekly is empty; write the column of the e-mail addresses."
    )
    assert fake.keys() == []


def test_a_key_is_in_no_problem(write: Write, catalog: Catalog, keyring: Keyring) -> None:
    content = file().replace("audience_id: a1b2c3d4e5", f"audience_id: {KEY}") + f"{KEY}: {KEY}\n"
    with pytest.raises(CatalogRefused) as caught:
        apply(write(content), catalog, keyring, {})
    assert KEY not in str(caught.value)


def test_what_a_file_does_not_name_stays(write: Write, catalog: Catalog, keyring: Keyring) -> None:
    apply(write(file()), catalog, keyring, {})
    apply(write("segments:\n  vip: {source: vip.csv}"), catalog, keyring, {})
    assert [segment.name for segment in catalog.segments()] == ["loyal", "vip"]
    assert [export.name for export in catalog.exports()] == ["weekly"]


def test_an_export_may_refer_to_what_an_earlier_file_declared(
    write: Write, catalog: Catalog, keyring: Keyring
) -> None:
    apply(write(file()), catalog, keyring, {})
    exports = "exports:\n" + file().split("exports:\n")[1].replace("weekly", "daily")
    assert told(apply(write(exports), catalog, keyring, {})) == {"daily": "added"}


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:MC_KEY", "environment variable MC_KEY is missing"),
        ("file:/nowhere/key", "file /nowhere/key does not exist"),
        (
            "encrypted:AAAA",
            (
                "it is damaged, or encrypted for another connection or with a key that "
                "SEGMENT_EXPORT_SECRET_KEYS "
                "does not hold"
            ),
        ),
    ],
)
def test_a_reference_that_leads_nowhere_here_is_saved_with_a_warning(
    write: Write, catalog: Catalog, keyring: Keyring, reference: str, reason: str
) -> None:
    path = write(file(reference))
    applied = apply(path, catalog, keyring, {})
    assert [str(warning) for warning in applied.warnings] == [
        f"{path}:4: The API key of connection newsletter is not known here ({reason}); the workers need it."
    ]
    assert catalog.connection("newsletter").api_key == reference


def test_references_are_tried_in_the_environment_of_this_process(
    write: Write, catalog: Catalog, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MC_KEY", KEY)
    assert apply(write(file("env:MC_KEY")), catalog, keyring).warnings == ()


def test_what_this_version_can_not_read_is_mended_by_applying_it_again(
    write: Write, catalog: Catalog, keyring: Keyring, fake: "redis.Redis"
) -> None:
    fake.hset(keys.CATALOG_SEGMENTS, "loyal", "{}")
    assert told(apply(write(file()), catalog, keyring, {}))["loyal"] == "added"
    assert catalog.segment("loyal").source == "loyal.csv"
