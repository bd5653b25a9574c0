"""A store in a bucket: a small S3 over real HTTP, which can be told to fail."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import BaseError
from obstore.store import MemoryStore, ObjectStore, from_url

from worker.errors import RetryLater, SegmentExportError, TellOperator
from worker.store.bucket import Bucket, Fate, judge
from worker.store.objects import MissingObject, Objects, open_store

SECRETIVE: Final = (
    b"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId>"
    b"<Message>Somebody. Else.</Message></Error>"
)


@pytest.fixture
def bucket(held: dict[str, bytes]) -> Objects:
    assert not held
    return Bucket(
        from_url("s3://bucket/x", retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=5)}),
        "s3://bucket/x",
    )


def calls(bucket: Objects) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: bucket.put("a", b"new"),
        "get": lambda: bucket.get("a"),
        "get_range": lambda: bucket.get_range("a", 0, 3),
        "exists": lambda: bucket.exists("a"),
        "list": lambda: list(bucket.list("a")),
        "delete_prefix": lambda: bucket.delete_prefix("a"),
    }


def test_objects_go_there_and_back_with_the_environments_credentials(held: dict[str, bytes]) -> None:
    store = open_store("s3://bucket/deep/folder")
    for number in range(5):
        store.put(f"staged/r1/{number}", b"0123456789")
    store.put("staged/r10/0", b"x")

    assert min(held) == "deep/folder/staged/r1/0"
    assert store.get("staged/r1/0") == b"0123456789"
    assert store.get_range("staged/r1/0", 3, 4) == b"3456"
    assert [stored.path for stored in store.list("staged/r1")] == [f"staged/r1/{n}" for n in range(5)]
    assert store.exists("staged/r10/0")
    assert not store.exists("staged/r10/1")

    store.delete_prefix("staged/r1")

    assert sorted(held) == ["deep/folder/staged/r10/0"]


def test_a_passing_fault_is_tried_again_within_the_call(
    held: dict[str, bytes], answers: list[tuple[int, bytes]]
) -> None:
    store = open_store("s3://bucket/x")
    answers[:] = [(503, b"<Error><Code>SlowDown</Code></Error>"), (0, b"")]

    store.put("a", b"x")

    assert held == {"x/a": b"x"}


def test_a_missing_object_and_a_short_one_are_told_apart(held: dict[str, bytes], bucket: Objects) -> None:
    held["x/a"] = b"0123"

    with pytest.raises(MissingObject, match=r"^The object b is missing from the store at s3://bucket/x: "):
        bucket.get("b")
    for start, length in ((0, 5), (4, 1), (9, 1)):
        with pytest.raises(TellOperator, match=r"^The object a in the store at s3://bucket/x is damaged "):
            bucket.get_range("a", start, length)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("call", ["put", "get", "get_range", "exists", "list", "delete_prefix"])
def test_an_answer_that_passes_is_for_later(
    answers: list[tuple[int, bytes]], bucket: Objects, call: str, status: int
) -> None:
    answers[:] = [(status, b"<Error><Code>SlowDown</Code></Error>")]

    with pytest.raises(RetryLater) as caught:
        calls(bucket)[call]()

    code = "" if call == "exists" else " SlowDown"
    assert str(caught.value) == f"The store at s3://bucket/x answers {status}{code}: it is tried again."


@pytest.mark.parametrize("call", ["put", "get", "get_range", "exists", "list", "delete_prefix"])
def test_a_connection_that_breaks_is_for_later(
    answers: list[tuple[int, bytes]], bucket: Objects, call: str
) -> None:
    answers[:] = [(0, b"")]

    with pytest.raises(
        RetryLater, match=r"^The store at s3://bucket/x can't be reached: it is tried again\.$"
    ):
        calls(bucket)[call]()


def test_a_server_that_is_not_there_is_for_later(monkeypatch: pytest.MonkeyPatch, bucket: Objects) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
    gone = Bucket(from_url("s3://bucket/x", retry_config={"max_retries": 0}), bucket.where)

    with pytest.raises(RetryLater, match=r"can't be reached"):
        gone.put("a", b"x")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", ["put", "get", "get_range", "list", "delete_prefix"])
def test_a_refusal_says_what_to_do_and_quotes_no_key(
    answers: list[tuple[int, bytes]], bucket: Objects, call: str, status: int
) -> None:
    answers[:] = [(status, SECRETIVE)]

    with pytest.raises(TellOperator) as caught:
        calls(bucket)[call]()

    assert str(caught.value) == (
        f"The store at s3://bucket/x answers {status} SignatureDoesNotMatch:"
        " give the credentials in the environment the right to read, write, list and delete there."
    )
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("call", ["put", "get", "get_range", "list", "delete_prefix"])
def test_a_bucket_that_does_not_exist_is_no_missing_object(
    answers: list[tuple[int, bytes]], bucket: Objects, call: str
) -> None:
    answers[:] = [(404, b"<Error><Code>NoSuchBucket</Code></Error>")]

    with pytest.raises(TellOperator) as caught:
        calls(bucket)[call]()

    assert str(caught.value) == (
        "The store at s3://bucket/x does not exist: make the bucket or container,"
        " or correct SEGMENT_EXPORT_STORE_URL."
    )


@pytest.mark.parametrize(
    ("status", "body"), [(400, b"<Error><Code>Bad</Code></Error>"), (301, b""), (405, b""), (412, b"")]
)
def test_any_other_answer_asks_to_check_the_settings(
    answers: list[tuple[int, bytes]], bucket: Objects, status: int, body: bytes
) -> None:
    answers[:] = [(status, body)]

    with pytest.raises(TellOperator) as caught:
        bucket.put("a", b"x")

    assert str(caught.value) == (
        "The store at s3://bucket/x can't be used as it is set up: check SEGMENT_EXPORT_STORE_URL"
        " and the settings of its provider in the environment (region, endpoint, account)."
    )


@pytest.mark.parametrize("call", ["list", "delete_prefix"])
def test_an_answer_that_is_no_listing_is_refused(
    answers: list[tuple[int, bytes]], bucket: Objects, call: str
) -> None:
    answers[:] = [(200, b"Welcome. Sign in.")]

    with pytest.raises(TellOperator, match="can't be used as it is set up"):
        calls(bucket)[call]()


def test_an_answer_that_ends_too_early_is_not_read_as_whole(
    held: dict[str, bytes], answers: list[tuple[int, bytes]], bucket: Objects
) -> None:
    held["x/a"] = b"0123456789"
    answers[:] = [(206, b"0123")]

    with pytest.raises(SegmentExportError):
        bucket.get_range("a", 0, 10)


def test_objects_that_somebody_else_deleted_meanwhile_do_not_save_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Bucket(MemoryStore(), "memory")
    for name in ("a", "b", "c"):
        store.put(f"x/{name}", b"")
    delete = obstore.delete

    def delete_or_complain(memory: ObjectStore, paths: str | list[str]) -> None:
        if "x/b" in paths:
            raise FileNotFoundError("x/b")
        delete(memory, paths)

    monkeypatch.setattr(obstore, "delete", delete_or_complain)
    store.delete_prefix("x")

    assert [stored.path for stored in store.list("x")] == ["x/b"]


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("Error performing PUT http://169.254.169.254/latest/api/token - HTTP error: x", Fate.NO_CREDENTIALS),
        ("Error performing GET http://metadata.google.internal/x - status code: 403", Fate.NO_CREDENTIALS),
        ("Generic S3 error: HTTP error: builder error", Fate.UNFIT),
        ("Generic S3 error: HTTP error: error sending request", Fate.LATER),
        ("Generic S3 error: HTTP error: request or response body error", Fate.LATER),
        ("Generic S3 error: Received non-partial response when range requested", Fate.LATER),
        ("Generic MicrosoftAzure error: Account must be specified", Fate.UNFIT),
        ("status code: 404 Not Found: <Error><Code>ContainerNotFound</Code></Error>", Fate.NO_BUCKET),
        ("status code: 404 Not Found: ", Fate.MISSING),
        ("status code: 416 Range Not Satisfiable: ", Fate.SHORT),
        ("status code: 599 : ", Fate.LATER),
        ("status code: 418 : ", Fate.UNFIT),
        ("", Fate.UNFIT),
    ],
)
def test_every_text_of_the_library_has_a_fate(text: str, fate: Fate) -> None:
    assert judge(text, gone=False) is fate


@given(st.text(), st.booleans())
def test_a_text_never_seen_has_a_fate_too(text: str, gone: bool) -> None:  # noqa: FBT001 (drawn by hypothesis)
    assert judge(text, gone=gone) in Fate


def test_without_credentials_it_is_said_where_they_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_the_machine(*_args: object) -> None:
        raise BaseError("Error performing PUT http://169.254.169.254/latest/api/token: HTTP error: timed out")

    monkeypatch.setattr("obstore.put", ask_the_machine)

    with pytest.raises(TellOperator) as caught:
        open_store("s3://bucket/x").put("a", b"x")

    assert str(caught.value) == (
        "The store at s3://bucket/x can't be opened without credentials: set those of its provider in the"
        " environment (AWS_…, GOOGLE_… or AZURE_…), or give this machine a role that may use it."
    )
