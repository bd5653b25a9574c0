"""What every store promises; each test runs on a local folder and on obstore's memory store."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from worker.errors import TellOperator, UsageError
from worker.store.objects import MissingObject, Objects


def test_what_was_put_can_be_had_back_whole_and_in_part(objects: Objects) -> None:
    objects.put("staged/r1/1/00000", b"0123456789")

    assert objects.get("staged/r1/1/00000") == b"0123456789"
    assert objects.get_range("staged/r1/1/00000", 3, 4) == b"3456"
    assert objects.get_range("staged/r1/1/00000", 0, 10) == b"0123456789"


def test_an_empty_object_is_an_object(objects: Objects) -> None:
    objects.put("a", b"")

    assert objects.get("a") == b""
    assert objects.exists("a")


def test_putting_again_replaces(objects: Objects) -> None:
    objects.put("a", b"old and long")
    objects.put("a", b"new")

    assert objects.get("a") == b"new"


def test_a_missing_object_is_said_to_be_missing_with_what_to_do(objects: Objects) -> None:
    objects.put("a/b", b"x")

    with pytest.raises(MissingObject):
        objects.get_range("a/c", 0, 1)
    with pytest.raises(MissingObject) as caught:
        objects.get("a/c")
    assert str(caught.value) == (
        f"The object a/c is missing from the store at {objects.where}: it was deleted, or the processes"
        " don't share one store (set SEGMENT_EXPORT_STORE_URL to the same one everywhere)."
    )
    assert not objects.exists("a/c")
    assert objects.exists("a/b")


def test_neither_a_folder_nor_what_would_be_below_an_object_is_an_object(objects: Objects) -> None:
    objects.put("a/b", b"x")

    for path in ("a", "a/b/c"):
        assert not objects.exists(path)
        with pytest.raises(MissingObject):
            objects.get(path)
        with pytest.raises(MissingObject):
            objects.get_range(path, 0, 1)


@pytest.mark.parametrize(("start", "length"), [(0, 11), (5, 6), (10, 1), (99, 3)])
def test_a_range_beyond_the_end_is_damage_and_never_a_shorter_answer(
    objects: Objects, start: int, length: int
) -> None:
    objects.put("a", b"0123456789")

    with pytest.raises(TellOperator, match=r"^The object a in the store at .* is damaged or was changed"):
        objects.get_range("a", start, length)


def test_a_listing_has_everything_below_a_folder_and_nothing_beside_it(objects: Objects) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    for path in ("reports/r1/a", "reports/r1/b/c", "reports/r10/a", "staged/r1/a"):
        objects.put(path, b"xyz")

    listed = list(objects.list("reports/r1"))

    assert {stored.path for stored in listed} == {"reports/r1/a", "reports/r1/b/c"}
    assert {stored.size for stored in listed} == {3}
    assert all(before < stored.modified <= datetime.now(UTC) + timedelta(seconds=2) for stored in listed)
    assert {stored.path for stored in objects.list("reports")} == {
        "reports/r1/a",
        "reports/r1/b/c",
        "reports/r10/a",
    }
    assert list(objects.list("nothing/here")) == []
    assert list(objects.list("staged/r1/a")) == []


def test_deleting_a_folder_leaves_its_neighbours(objects: Objects) -> None:
    for path in ("staged/r1/1/00000", "staged/r1/2/00000", "staged/r10/1/00000", "staged/r"):
        objects.put(path, b"x")

    objects.delete_prefix("staged/r1")

    assert {stored.path for stored in objects.list("staged")} == {"staged/r10/1/00000", "staged/r"}


def test_deleting_what_is_not_there_is_no_error(objects: Objects) -> None:
    objects.delete_prefix("staged/r1")
    objects.put("staged/r1/a", b"x")
    objects.delete_prefix("staged/r1")
    objects.delete_prefix("staged/r1")
    objects.delete_prefix("staged/r1/a/b")

    assert list(objects.list("staged")) == []


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/passwd", "..", "a/../b", "a/..", "../a", "./a", "a//b", "a/", ".scratch/x", "a/.b"),
        *("a\\b", "a b", "a\0b", "a\n", "ä", "a:b", "a%2f..", "~", "\u0661"),
    ],
)
def test_a_path_that_could_leave_the_store_is_refused_by_every_method(objects: Objects, path: str) -> None:
    calls = (
        lambda: objects.put(path, b"x"),
        lambda: objects.get(path),
        lambda: objects.get_range(path, 0, 1),
        lambda: objects.exists(path),
        lambda: list(objects.list(path)),
        lambda: objects.delete_prefix(path),
    )
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert str(caught.value) == (
            "A name in the store is made of letters, digits, '.', '_' and '-', and does not begin with a dot:"
            " check the run's id."
        )


def test_a_reader_never_sees_half_of_an_object_that_is_being_replaced(objects: Objects) -> None:
    versions = [bytes([number]) * 300_000 for number in range(40)]
    objects.put("a", versions[0])

    def replace() -> None:
        for version in versions:
            objects.put("a", version)

    writer = Thread(target=replace)
    writer.start()

    seen = set()
    while writer.is_alive():
        seen.add(objects.get("a"))
    writer.join()

    assert seen <= set(versions)
    assert objects.get("a") == versions[-1]


def test_an_object_is_rewritten_in_its_place(objects: Objects) -> None:
    objects.put("a/b", b"old")
    assert objects.rewrite("a/b", lambda old: old + b" and new")
    assert objects.get("a/b") == b"old and new"


def test_what_is_gone_is_not_rewritten_and_does_not_come_back(objects: Objects) -> None:
    assert not objects.rewrite("a/b", lambda old: old)
    objects.put("a/b", b"old")

    def deleted_meanwhile(old: bytes) -> bytes:
        objects.delete_prefix("a")
        return old

    assert not objects.rewrite("a/b", deleted_meanwhile)
    assert not objects.exists("a/b")


def test_what_somebody_else_wrote_meanwhile_stays(objects: Objects) -> None:
    objects.put("a/b", b"old")

    def replaced_meanwhile(old: bytes) -> bytes:
        objects.put("a/b", b"newer")
        return old

    assert not objects.rewrite("a/b", replaced_meanwhile)
    assert objects.get("a/b") == b"newer"


def test_a_change_that_fails_leaves_the_object_as_it_was(objects: Objects) -> None:
    objects.put("a/b", b"old")
    with pytest.raises(ZeroDivisionError):
        objects.rewrite("a/b", lambda old: bytes(1 // (len(old) - 3)))
    assert [stored.path for stored in objects.list("a")] == ["a/b"]
    assert objects.get("a/b") == b"old"
