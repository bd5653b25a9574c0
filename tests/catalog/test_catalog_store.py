import threading
from datetime import date

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import TellOperator, UsageError
from worker.exports.definitions import Connection, Consent, Export, Segment
from worker.exports.wording import close_matches
from worker.state import keys
from worker.state.catalog import Catalog

CONSENT = Consent(agreed_by="Dana", agreed_on=date(2026, 11, 23))


def connection(name: str = "newsletter", **changes: object) -> Connection:
    values = {"name": name, "type": "mailchimp", "api_key": "env:MC_KEY", "consent": CONSENT}
    return Connection.model_validate(values | changes)


def segment(name: str = "loyal", source: str = "loyal.csv") -> Segment:
    return Segment(name=name, source=source)


def export(name: str = "weekly", **changes: object) -> Export:
    values = {
        "name": name,
        "connection": "newsletter",
        "audience_id": "a1b2c3d4e5",
        "segments": ("loyal",),
        "email": "email",
    }
    return Export.model_validate(values | changes)


@pytest.fixture(params=["fake", "redis_client"])
def client(request: pytest.FixtureRequest) -> "redis.Redis":
    found: redis.Redis = request.getfixturevalue(request.param)
    return found


def test_what_is_saved_is_read_back_in_order_of_names(client: "redis.Redis") -> None:
    catalog = Catalog(client)
    catalog.save([connection("b"), connection("a")], [segment()], [export()])
    assert [one.name for one in catalog.connections()] == ["a", "b"]
    assert catalog.segments() == [segment()]
    assert catalog.exports() == [export()]
    assert catalog.connection("b") == connection("b")
    assert catalog.segment("loyal") == segment()
    assert catalog.export("weekly") == export()


def test_saving_replaces_by_name_and_never_removes(client: "redis.Redis") -> None:
    catalog = Catalog(client)
    catalog.save([connection("a"), connection("b")])
    catalog.save([connection("b", max_connections=3), connection("c")])
    assert [(one.name, one.max_connections) for one in catalog.connections()] == [
        ("a", 10),
        ("b", 3),
        ("c", 10),
    ]


def test_an_empty_catalog_is_empty(client: "redis.Redis") -> None:
    catalog = Catalog(client)
    catalog.save()
    assert (catalog.connections(), catalog.segments(), catalog.exports()) == ([], [], [])
    assert catalog.exports_for(None) == []


def test_an_unknown_name_is_told_with_the_one_that_was_meant(catalog: Catalog) -> None:
    catalog.save([connection()], [segment()], [export("weekly-newsletter")])
    with pytest.raises(UsageError) as caught:
        catalog.export("weekly-newslettre")
    assert str(caught.value) == "There is no export 'weekly-newslettre'; did you mean weekly-newsletter?"


def test_an_unknown_name_like_no_other_is_told_with_all(catalog: Catalog) -> None:
    catalog.save(segments=[segment("b"), segment("a")])
    with pytest.raises(UsageError) as caught:
        catalog.segment("something-else")
    assert str(caught.value) == "There is no segment 'something-else'; the segments there are: a, b."


def test_an_unknown_name_in_an_empty_catalog_is_told_what_to_do(catalog: Catalog) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.connection("x")
    assert str(caught.value) == "There is no connection 'x'; apply a file first."


def test_an_export_comes_with_its_connection_and_its_segments_in_its_order(client: "redis.Redis") -> None:
    catalog = Catalog(client)
    one = export(segments=("b", "a"))
    catalog.save([connection(), connection("other")], [segment("a"), segment("b"), segment("c")], [one])
    assert catalog.export_bundle("weekly") == (one, connection(), [segment("b"), segment("a")])


def test_a_bundle_whose_parts_are_gone_is_refused(catalog: Catalog) -> None:
    catalog.save(segments=[segment("a")], exports=[export(segments=("a", "b"))])
    with pytest.raises(UsageError) as caught:
        catalog.export_bundle("weekly")
    assert str(caught.value) == (
        "Export weekly refers to segment b and connection newsletter, "
        "not in the catalog any more; apply again."
    )


def test_a_bundle_of_an_unknown_export_is_refused(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="There is no export 'weekly'"):
        catalog.export_bundle("weekly")


def test_a_bundle_is_never_a_mixture_of_two_applied_files(redis_client: "redis.Redis") -> None:
    catalog, stop = Catalog(redis_client), threading.Event()

    def apply_file(name: str) -> None:
        one = export(connection=name, segments=(name,), email=name)
        catalog.save([connection(name, display_name=name)], [segment(name)], [one])

    def apply_again_and_again() -> None:
        while not stop.is_set():
            apply_file("one")
            apply_file("two")

    apply_file("one")
    writer = threading.Thread(target=apply_again_and_again)
    writer.start()
    try:
        bundles = [catalog.export_bundle("weekly") for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    assert all(
        one.email == account.name == parts[0].name and len(parts) == 1 for one, account, parts in bundles
    )


def test_a_file_that_was_applied_between_two_reads_counts(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.save([connection(), connection("other")], [segment()], [export()])
    read = catalog.export

    def read_just_before_it_changes(name: str) -> Export:
        found = read(name)
        catalog.save(exports=[export(connection="other")])
        return found

    monkeypatch.setattr(catalog, "export", read_just_before_it_changes)
    one, account, _ = catalog.export_bundle("weekly")
    assert (one.connection, account.name) == ("other", "other")


def test_a_refresh_of_some_segments_reaches_the_exports_that_take_one_of_them(client: "redis.Redis") -> None:
    catalog = Catalog(client)
    catalog.save(
        exports=[
            export("both", segments=("a", "b")),
            export("only-b", segments=("b",)),
            export("by-hand", segments=("a",), run="manual"),
        ]
    )
    assert [one.name for one in catalog.exports_for({"a"})] == ["both"]
    assert [one.name for one in catalog.exports_for({"a", "b"})] == ["both", "only-b"]
    assert catalog.exports_for({"c"}) == []
    assert catalog.exports_for(set()) == []


def test_a_refresh_of_everything_reaches_all_exports_but_those_run_by_hand(catalog: Catalog) -> None:
    catalog.save(exports=[export("a"), export("b"), export("by-hand", run="manual")])
    assert [one.name for one in catalog.exports_for(None)] == ["a", "b"]


def test_what_a_newer_version_stored_is_told_and_not_guessed(fake: "redis.Redis", catalog: Catalog) -> None:
    fake.hset(keys.CATALOG_SEGMENTS, "loyal", '{"name":"loyal","source":"a.csv","encryption":"new"}')
    with pytest.raises(TellOperator) as caught:
        catalog.segment("loyal")
    assert str(caught.value) == (
        "The segment loyal was stored in a form that this version can't read; "
        "run the version that stored it, or apply it again with this one."
    )
    assert "loyal" not in catalog.everything().segments


def test_defaults_are_not_stored_so_that_older_versions_read_what_newer_ones_store(
    fake: "redis.Redis", catalog: Catalog
) -> None:
    catalog.save(exports=[export()])
    assert fake.hget(keys.CATALOG_EXPORTS, "weekly") == (
        '{"name":"weekly","connection":"newsletter","audience_id":"a1b2c3d4e5","segments":["loyal"],'
        '"email":"email"}'
    )


@settings(max_examples=30)
@given(names=st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True), unique=True, max_size=8))
def test_the_catalog_is_a_dictionary(names: list[str]) -> None:
    import fakeredis  # noqa: PLC0415 (a new server for each example)

    catalog = Catalog(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True))
    for name in [*names, *reversed(names)]:
        catalog.save(segments=[segment(name)])
    assert catalog.everything().segments == {name: segment(name) for name in sorted(names)}


def test_suggestions_are_not_looked_for_among_very_many_names() -> None:
    assert close_matches("name-1", [f"name-{number}" for number in range(10, 20)])
    assert not close_matches("name-1", [f"name-{number}" for number in range(10, 10_000)])
