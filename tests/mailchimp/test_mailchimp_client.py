"""What the client asks of Mailchimp, and what it makes of the answers."""

import base64
import gzip
import json
import tracemalloc
from collections.abc import Callable
from importlib import metadata

import httpx
import pytest

from worker.errors import SegmentExportError, StopRun, Unavailable
from worker.exports.attributes import MergeField
from worker.exports.uploading import Member, Refusal
from worker.mailchimp.audience import Account
from worker.mailchimp.client import MailchimpClient

KEY = "0123456789abcdef-us21"
BATCH = {
    "new_members": [{"id": "x", "email_address": "a@x.org", "status": "subscribed", "stats": {"n": 1}}],
    "updated_members": [{"email_address": "b@x.org", "status": "unsubscribed"}],
    "errors": [
        {"email_address": "c@x.org", "error": "c@x.org looks fake", "error_code": "ERROR_GENERIC"},
        {
            "email_address": "d@x.org",
            "error": "Your merge fields were invalid.",
            "error_code": "ERROR_GENERIC",
            "field": "BDAY",
            "field_message": "Please enter a date.",
        },
    ],
    "total_created": 1,
    "total_updated": 1,
    "error_count": 2,
    "_links": [],
}


def _client(answer: Callable[[httpx.Request], httpx.Response]) -> MailchimpClient:
    return MailchimpClient(
        base_url="https://us21.api.mailchimp.com/3.0", api_key=KEY, transport=httpx.MockTransport(answer)
    )


def _always(status: int = 200, **response: object) -> MailchimpClient:
    return _client(lambda _request: httpx.Response(status, **response))  # type: ignore[arg-type]  # passed through


def test_a_call_carries_the_key_and_the_version_and_nothing_else_of_us() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    _client(answer).ping()
    assert str(asked[0].url) == "https://us21.api.mailchimp.com/3.0/ping"
    assert base64.b64decode(asked[0].headers["authorization"].removeprefix("Basic ")) == (
        b"segment-export:" + KEY.encode()
    )
    assert asked[0].headers["user-agent"] == f"segment-export/{metadata.version('segment-export')}"
    assert set(asked[0].headers) == {
        "host", "authorization", "accept", "accept-encoding", "content-type", "user-agent",
    }  # fmt: skip


def test_a_chunk_is_posted_byte_for_byte() -> None:
    body = b'{"members" : [{"email_address":"a@x.org", "n":1.0}]}'
    asked: list[tuple[str, str, str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.headers["content-type"], request.content))
        return httpx.Response(200, json=BATCH)

    client = _client(answer)
    client.upsert("a1b2c3d4e5", body)
    assert asked == [("POST", "/3.0/lists/a1b2c3d4e5", "application/json", body)]
    assert client.calls == 1


def test_an_answer_tells_members_and_refusals() -> None:
    answer = _always(json=BATCH).upsert("a1b2c3d4e5", b"{}")
    assert answer.created_members() == [Member(email="a@x.org", status="subscribed")]
    assert answer.updated_members() == [Member(email="b@x.org", status="unsubscribed")]
    assert answer.refusals == [
        Refusal("c@x.org", "ERROR_GENERIC", "c@x.org looks fake", ""),
        Refusal("d@x.org", "ERROR_GENERIC", "Your merge fields were invalid. Please enter a date.", "BDAY"),
    ]
    assert (answer.total_created, answer.total_updated, answer.total_refused) == (1, 1, 2)


def test_an_answer_may_leave_out_or_null_what_is_empty() -> None:
    refused = {"email_address": "a@x.org", "error": None, "field": None}
    answer = _always(json={"new_members": None, "errors": [refused, {}]}).upsert("a1b2c3d4e5", b"{}")
    assert (answer.created_members(), answer.updated_members(), answer.total_created) == ([], [], None)
    assert answer.refusals == [Refusal("a@x.org", "", "", ""), Refusal("", "", "", "")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Everything's fine</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"new_members": 5}',
        b'{"total_created": 1}',
        json.dumps(BATCH).encode()[:-20],
        b'{"new_members": [], "total_created": "one"}',
        b'{"errors": [{"error": "\xff"}]}',
        pytest.param(b'{"_links": ' + b"[" * 100_000, id="deep"),
    ],
)
def test_an_answer_that_is_not_one_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer to a batch") as caught:
        _always(content=content).upsert("a1b2c3d4e5", b"{}")
    assert not caught.value.may_be_open


# --- compression ----------------------------------------------------------------------------------


def test_answers_may_be_compressed() -> None:
    content = gzip.compress(json.dumps(BATCH).encode())
    answer = _always(content=content, headers={"content-encoding": "gzip"}).upsert("a1b2c3d4e5", b"{}")
    assert answer.total_created == 1


@pytest.mark.parametrize(
    ("content", "encoding", "what"),
    [
        (b"{}", "gzip", "is not the gzip that it says it is"),
        (gzip.compress(b"{}")[:-6], "gzip", "ends in the middle of its compression"),
        (gzip.compress(b" " * 10_000_001), "gzip", "is larger than 10 MB"),
        (b"{}", "br", "is compressed in a way that was not asked for"),
    ],
)
def test_compression_that_is_broken_or_hides_too_much_is_refused(
    content: bytes, encoding: str, what: str
) -> None:
    # a response of httpx' own would decode a body that it is given whole
    stream = httpx.ByteStream(content)
    response = httpx.Response(200, headers={"content-encoding": encoding})
    response.stream = stream
    with pytest.raises(Unavailable, match=f"^Mailchimp's answer {what}: the call is made again.$"):
        _client(lambda _request: response).ping()


def test_a_small_answer_that_would_unfold_to_a_huge_one_takes_little_memory() -> None:
    response = httpx.Response(200, headers={"content-encoding": "gzip"})
    response.stream = httpx.ByteStream(gzip.compress(b" " * 100_000_000, compresslevel=1))
    client = _client(lambda _request: response)
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable, match="is larger than 10 MB"):
            client.ping()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


# --- the account and the audience -----------------------------------------------------------------


def test_the_account_tells_its_contacts_and_plan() -> None:
    document = {
        "account_name": "Acme",
        "total_subscribers": 42,
        "pricing_plan_type": "monthly",
        "email": "a@x.org",
    }
    assert _always(json=document).account() == Account(name="Acme", contacts=42, plan="monthly")
    assert _always(json={}).account() == Account(name="", contacts=None, plan=None)


def test_the_audience_tells_its_name_members_and_double_opt_in() -> None:
    document = {"id": "a1b2c3d4e5", "name": "News", "double_optin": True, "stats": {"member_count": 7}}
    audience = _always(json=document).audience("a1b2c3d4e5")
    assert (audience.id, audience.name, audience.double_optin, audience.member_count) == (
        "a1b2c3d4e5", "News", True, 7,
    )  # fmt: skip


def test_an_audience_that_is_not_there_stops_the_run() -> None:
    with pytest.raises(StopRun, match="has no audience a1b2c3d4e5"):
        _always(404, json={"title": "Resource Not Found"}).audience("a1b2c3d4e5")


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"id": "a1b2c3d4e5"}', b'{"id": 5, "name": "x"}'])
def test_an_audience_that_can_not_be_read_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(Unavailable, match=r"^Mailchimp's answer about the audience is not the JSON"):
        _always(content=content).audience("a1b2c3d4e5")


def test_an_id_stays_one_part_of_the_path() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(404)

    with pytest.raises(StopRun):
        _client(answer).audience("../x?y#z")
    assert asked == [b"/3.0/lists/..%2Fx%3Fy%23z"]


def test_merge_fields_are_read_page_by_page() -> None:
    fields = [
        {"tag": "FNAME", "name": "First name", "type": "text", "required": False, "options": {"size": 25}},
        {
            "tag": "TIER",
            "name": "Tier",
            "type": "dropdown",
            "required": True,
            "options": {"choices": ["a", "b"]},
        },
        {"tag": "AGE", "name": "Age", "type": "number", "options": None},
    ]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.query, "ascii"))
        offset = int(request.url.params["offset"])
        return httpx.Response(200, json={"merge_fields": fields[offset : offset + 2], "total_items": 3})

    client = _client(answer)
    assert client.merge_fields("a1b2c3d4e5") == [
        MergeField(tag="FNAME", name="First name", type="text"),
        MergeField(tag="TIER", name="Tier", type="dropdown", required=True, choices=("a", "b")),
        MergeField(tag="AGE", name="Age", type="number"),
    ]
    assert asked == ["count=1000&offset=0", "count=1000&offset=2"]
    assert client.calls == 2


@pytest.mark.parametrize("total", [0, 5, None])
def test_an_empty_page_of_merge_fields_is_the_last(total: int | None) -> None:
    assert _always(json={"merge_fields": [], "total_items": total}).merge_fields("a1b2c3d4e5") == []


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500, 503])
def test_no_failure_shows_the_key(status: int) -> None:
    client = _always(status, content=KEY.encode())
    with pytest.raises(SegmentExportError) as caught:
        client.audience("a1b2c3d4e5")
    assert KEY not in str(caught.value)
    assert KEY not in repr(client)
