"""Staged chunks: written in parts, read one by one, from any thread."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from worker.errors import RetryLater, TellOperator, UsageError
from worker.exports.chunks import StagedChunk
from worker.keyring import Keyring
from worker.store.bucket import Bucket
from worker.store.objects import MissingObject, Objects
from worker.store.packs import PartWriter, drop_staged, read_chunk

RUN = "run-1"


def chunk(number: int, body: bytes = b'{"members":[]}', count: int = 2) -> StagedChunk:
    return StagedChunk(
        number=number, count=count, body=body, rows=b"\1\0\0\0" * count, segments=b"\0" * count
    )


class Interrupted(Bucket):
    """A store that can't be reached as often as it is told."""

    faults = 0

    def put(self, path: str, data: bytes) -> None:
        if self.faults:
            self.faults -= 1
            raise RetryLater("The store can't be reached: it is tried again.")
        super().put(path, data)


def test_each_chunk_is_read_back_by_its_location(objects: Objects, keyring: Keyring) -> None:
    writer = PartWriter(objects, keyring, RUN, 1)
    chunks = [chunk(number, b"%d" % number * 1000, count=number + 1) for number in range(7)]
    located = []
    for staged in chunks:
        writer.add(staged)
        if staged.number % 3 == 2:
            located += writer.commit()
    located += writer.commit()

    assert [(number, count) for number, count, _ in located] == [(number, number + 1) for number in range(7)]
    for number, _, location in reversed(located):
        assert read_chunk(objects, keyring, RUN, 1, number, location) == chunks[number]


def test_parts_are_named_by_run_plan_and_order(objects: Objects, keyring: Keyring) -> None:
    writer = PartWriter(objects, keyring, RUN, 12)
    writer.add(chunk(0))
    writer.add(chunk(1))
    first = writer.commit()
    writer.add(chunk(2))
    second = writer.commit()

    assert {stored.path for stored in objects.list("staged")} == {
        "staged/run-1/12/00000",
        "staged/run-1/12/00001",
    }
    offsets = [location.split(":") for _, _, location in first + second]
    length = int(offsets[0][2])
    assert offsets[0][:2] == ["0", "0"]
    assert offsets[1][:2] == ["0", str(length)]
    assert offsets[2][:2] == ["1", "0"]
    assert all(len(location) < 32 for _, _, location in first + second)


def test_a_commit_of_nothing_writes_nothing(objects: Objects, keyring: Keyring) -> None:
    writer = PartWriter(objects, keyring, RUN, 1)

    assert writer.commit() == []
    writer.add(chunk(0))
    assert len(writer.commit()) == 1
    assert writer.commit() == []
    assert len(list(objects.list("staged"))) == 1


def test_a_commit_that_failed_can_be_made_again(keyring: Keyring) -> None:
    objects = Interrupted(MemoryStore(), "memory")
    writer = PartWriter(objects, keyring, RUN, 1)
    writer.add(chunk(0, b"first"))
    objects.faults = 1
    with pytest.raises(RetryLater):
        writer.commit()
    writer.add(chunk(1, b"second"))

    located = writer.commit()

    assert [read_chunk(objects, keyring, RUN, 1, n, location).body for n, _, location in located] == [
        b"first",
        b"second",
    ]


def test_chunks_of_a_committed_part_can_be_read_while_the_plan_goes_on(
    objects: Objects, keyring: Keyring
) -> None:
    writer = PartWriter(objects, keyring, RUN, 1)
    writer.add(chunk(0))
    ((number, _, location),) = writer.commit()
    writer.add(chunk(1))

    assert read_chunk(objects, keyring, RUN, 1, number, location) == chunk(0)


def test_dropping_takes_all_plans_of_a_run_and_no_other_run(objects: Objects, keyring: Keyring) -> None:
    located = {}
    for run_id, plan in (("run-1", 1), ("run-1", 2), ("run-10", 1)):
        writer = PartWriter(objects, keyring, run_id, plan)
        writer.add(chunk(0))
        located[run_id, plan] = writer.commit()[0][2]

    drop_staged(objects, "run-1")
    drop_staged(objects, "run-1")

    assert [stored.path for stored in objects.list("staged")] == ["staged/run-10/1/00000"]
    assert read_chunk(objects, keyring, "run-10", 1, 0, located["run-10", 1]) == chunk(0)
    with pytest.raises(MissingObject, match=r"^The object staged/run-1/2/00000 is missing "):
        read_chunk(objects, keyring, "run-1", 2, 0, located["run-1", 2])


def test_threads_read_at_once(objects: Objects, keyring: Keyring) -> None:
    writer = PartWriter(objects, keyring, RUN, 1)
    bodies = [random.Random(number).randbytes(5_000) for number in range(40)]
    for number, body in enumerate(bodies):
        writer.add(chunk(number, body))
    located = writer.commit() * 5

    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda one: read_chunk(objects, keyring, RUN, 1, one[0], one[2]), located))

    assert [one.body for one in read] == bodies * 5


@pytest.mark.parametrize(
    "location",
    ["", "0", "0:0", "0:0:", "a:0:1", "0:-1:5", "0:0:1:2", "0:0:1\n", " 0:0:1", "\u0660:0:1", "../x:0:1"],
)
def test_a_location_that_is_none_is_one_sentence(objects: Objects, keyring: Keyring, location: str) -> None:
    with pytest.raises(TellOperator, match=r"^The object staged/run-1 in the store at .* is damaged"):
        read_chunk(objects, keyring, RUN, 1, 0, location)


def test_a_run_id_that_leaves_the_folder_is_refused(objects: Objects, keyring: Keyring) -> None:
    writer = PartWriter(objects, keyring, "../../etc", 1)
    writer.add(chunk(0))

    with pytest.raises(UsageError):
        writer.commit()
    with pytest.raises(UsageError):
        drop_staged(objects, "..")


def test_bodies_take_a_fraction_of_their_size(root: Path, folder: Objects, keyring: Keyring) -> None:
    writer = PartWriter(folder, keyring, RUN, 1)
    writer.add(chunk(0, b'{"email_address":"somebody@example.com","status_if_new":"subscribed"},' * 500))
    writer.commit()

    assert (root / "staged/run-1/1/00000").stat().st_size < 5_000


staged_chunks = st.builds(
    StagedChunk,
    number=st.integers(0, 2**31),
    count=st.integers(0, 500),
    body=st.binary(max_size=2_000),
    rows=st.binary(max_size=100),
    segments=st.binary(max_size=100),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(staged_chunks, max_size=4), max_size=4))
def test_whatever_is_staged_comes_back_the_same(keyring: Keyring, parts: list[list[StagedChunk]]) -> None:
    objects = Bucket(MemoryStore(), "memory")
    writer = PartWriter(objects, keyring, RUN, 3)
    located = []
    for part in parts:
        for staged in part:
            writer.add(staged)
        located += writer.commit()

    read = [read_chunk(objects, keyring, RUN, 3, number, location) for number, _, location in located]
    assert read == [staged for part in parts for staged in part]
