"""Edits of the catalog: by check and set, whole or not at all, and no name leads nowhere after them."""

import threading
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.catalog.test_catalog_store import client, connection, export, segment
from worker.errors import Conflicts, UsageError
from worker.exports.declarations import Definitions, Edit, changed
from worker.exports.definitions import Connection, Export, Named, Segment
from worker.state.catalog import Catalog

__all__ = ["client"]


@pytest.fixture
def filled(client: "redis.Redis") -> Catalog:
    catalog = Catalog(client)
    catalog.save([connection()], [segment()], [export()])
    return catalog


@pytest.mark.parametrize("gone", [connection(), segment()])
def test_nothing_is_removed_that_an_export_names(filled: Catalog, gone: Named) -> None:
    with pytest.raises(Conflicts, match="Export weekly names"):
        filled.edit(lambda _: Edit(remove=[gone]))
    assert filled.export_bundle("weekly")


@pytest.mark.parametrize("changes", [{"connection": "other"}, {"segments": ("loyal", "other")}])
def test_no_export_is_saved_that_names_nothing(filled: Catalog, changes: dict[str, Any]) -> None:
    with pytest.raises(Conflicts, match=r"names .* other, not in the catalog"):
        filled.edit(lambda _: Edit(save=[export(**changes)]))
    assert filled.export("weekly") == export()


def test_what_is_removed_together_names_nothing_any_more(filled: Catalog) -> None:
    filled.edit(lambda _: Edit(remove=[connection(), segment(), export()]))
    assert filled.everything() == Definitions({}, {}, {})


def test_a_detached_export_names_no_connection(filled: Catalog) -> None:
    filled.edit(lambda _: Edit(save=[export(connection=None)], remove=[connection()]))
    assert filled.export("weekly").connection is None
    with pytest.raises(UsageError, match="Export weekly is detached"):
        filled.export_bundle("weekly")
    assert filled.exports_for(None) == []


def test_an_edit_and_what_is_beside_it_happen_together_or_not_at_all(
    filled: Catalog,
    client: "redis.Redis",
) -> None:
    with pytest.raises(Conflicts):
        filled.edit(lambda _: Edit(remove=[segment()]), lambda pipeline, *_: pipeline.incr("beside"))
    assert client.exists("beside") == 0
    filled.edit(lambda _: Edit(save=[segment("other")]), lambda pipeline, *_: pipeline.incr("beside"))
    assert client.get("beside") == "1"


def test_an_edit_is_decided_again_when_somebody_else_was_quicker(filled: Catalog) -> None:
    seen = []

    def decide(before: Definitions) -> Edit:
        seen.append(sorted(before.segments))
        if len(seen) == 1:
            filled.save(segments=[segment("quicker")])
        return Edit(save=[segment("mine")])

    filled.edit(decide)
    assert seen == [["loyal"], ["loyal", "quicker"]]
    assert [each.name for each in filled.segments()] == ["loyal", "mine", "quicker"]


def test_many_editors_at_once_lose_nothing(redis_client: "redis.Redis") -> None:
    catalog = Catalog(redis_client)
    catalog.save(segments=[segment()])

    def add_columns(letter: str) -> None:
        for _ in range(10):
            catalog.edit(lambda before: Edit(save=[segment(source=letter + before.segments["loyal"].source)]))

    threads = [threading.Thread(target=add_columns, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source = catalog.segment("loyal").source
    assert {letter: source.removesuffix("loyal.csv").count(letter) for letter in "abcd"} == dict.fromkeys(
        "abcd", 10
    )


NAMES = st.sampled_from(["a", "b", "c"])
DEFINITIONS: st.SearchStrategy[Named] = st.one_of(
    NAMES.map(connection),
    NAMES.map(segment),
    st.builds(
        lambda name, over, takes: export(name, connection=over, segments=tuple(takes)),
        NAMES,
        st.none() | NAMES,
        st.lists(NAMES, min_size=1, unique=True),
    ),
)
EDITS = st.builds(Edit, save=st.lists(DEFINITIONS, max_size=4), remove=st.lists(DEFINITIONS, max_size=3))


@settings(deadline=None)
@given(st.lists(EDITS, max_size=8))
def test_no_row_of_edits_leaves_a_name_that_leads_nowhere(edits: list[Edit]) -> None:
    import fakeredis  # noqa: PLC0415 - a server of its own for each example

    catalog, expected = Catalog(fakeredis.FakeRedis(decode_responses=True)), Definitions({}, {}, {})
    for edit in edits:
        try:
            catalog.edit(lambda _, edit=edit: edit)  # type: ignore[misc]
        except Conflicts:
            continue
        expected = changed(expected, edit)
    found = catalog.everything()
    assert found == expected
    for each in found.exports.values():
        assert each.connection is None or each.connection in found.connections
        assert set(each.segments) <= set(found.segments)


def test_definitions_are_found_by_their_kind() -> None:
    definitions = Definitions({"c": connection("c")}, {"s": segment("s")}, {"e": export("e")})
    kinds: list[type[Named]] = [Connection, Segment, Export]
    assert [list(definitions.of(kind)) for kind in kinds] == [["c"], ["s"], ["e"]]
