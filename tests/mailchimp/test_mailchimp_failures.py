"""Every way a call can fail has a fate and a sentence."""

import json
from http import HTTPStatus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import ChunkRefused, RetryLater, SegmentExportError, StopRun, Throttled, Unavailable
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.errors import Call, Reply, failure
from worker.mailchimp.problems import masked

CHUNK = Call(audience="a1b2c3d4e5", chunk=True)
AUDIENCE = Call(audience="a1b2c3d4e5")
ACCOUNT = Call()
TAG = Call(audience="a1b2c3d4e5", about="tag")
TAGGED = Call(audience="a1b2c3d4e5", chunk=True, about="tag")


def problem(title: str, detail: str = "", errors: object = None) -> bytes:
    document = {"type": "about:blank", "title": title, "detail": detail, "instance": "995c5cb0"}
    return json.dumps(document if errors is None else document | {"errors": errors}).encode()


def fail(status: int, body: bytes = b"", call: Call = CHUNK) -> SegmentExportError:
    return failure(Reply(status=status, body=body), call)


# --- statuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b""),
        (429, b"<html>slow down</html>"),
        (429, problem("Too Many Requests")),
        (403, b""),
        (403, b"<html>Access Denied</html>"),
        (403, b"[]"),
        (403, b"{}"),
        (403, b'{"message":"blocked"}'),
        (403, b'{"title":"\xff"}'),
        pytest.param(403, b"[" * 100_000, id="deep"),
    ],
)
def test_a_429_and_a_403_without_a_problem_document_are_throttling(status: int, body: bytes) -> None:
    error = fail(status, body)
    assert isinstance(error, Throttled)
    assert not error.may_be_open
    assert str(error).startswith(f"Mailchimp has enough calls of this account open ({status}")


def test_a_403_with_a_problem_document_stops_the_run() -> None:
    error = fail(403, problem("Wrong Datacenter"))
    assert isinstance(error, StopRun)
    assert str(error) == (
        "Mailchimp forbids this to the connection's API key (403 Wrong Datacenter): check that its user is "
        "active and may manage audiences, and that the key ends in the account's own data centre."
    )


def test_a_401_stops_the_run_and_asks_for_a_new_key() -> None:
    error = fail(401, problem("API Key Invalid"))
    assert isinstance(error, StopRun)
    assert str(error) == (
        "Mailchimp refuses the connection's API key (401 API Key Invalid): "
        "make a new key in Mailchimp's account settings and apply the connection with it, "
        "or authorize it again."
    )


def test_a_404_stops_the_run_and_names_the_audience() -> None:
    error = fail(404, problem("Resource Not Found"), AUDIENCE)
    assert isinstance(error, StopRun)
    assert str(error) == (
        "Mailchimp has no audience a1b2c3d4e5 in this connection's account (404 Resource Not Found): "
        "check audience_id in the export, and that the connection's key is of the right account."
    )


def test_a_404_of_the_account_points_at_the_base_url() -> None:
    error = fail(404, b"", ACCOUNT)
    assert isinstance(error, StopRun)
    assert "check the base URL" in str(error)


@pytest.mark.parametrize("status", [503, 403])
@pytest.mark.parametrize("title", ["ComplianceRelated", "Compliance Related"])
def test_an_account_under_review_stops_the_run(status: int, title: str) -> None:
    error = fail(status, problem(title, "This method has been disabled."))
    assert isinstance(error, StopRun)
    assert str(error) == (
        f"Mailchimp has closed its API to this account while it reviews it ({status} {title}): "
        "log in to Mailchimp, settle the review there, and run the export again."
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599, 408, 409, 423, 425])
@pytest.mark.parametrize("body", [b"", b"<html>", problem("Internal Server Error")])
def test_a_far_side_out_of_order_is_tried_again(status: int, body: bytes) -> None:
    error = fail(status, body)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"Mailchimp is out of order ({status}")
    # only behind a gateway that stopped waiting may the call go on
    assert error.may_be_open == (status == 504)


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_stops_the_run(status: int) -> None:
    error = fail(status)
    assert isinstance(error, StopRun)
    assert str(error) == (
        f"Mailchimp's address answers with a redirect ({status}), which is never followed: "
        "check the base URL, and whether a proxy or a login page stands between."
    )


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_call_refused_for_what_it_carries_is_tried_with_fewer_members(status: int) -> None:
    assert isinstance(fail(status, problem("Invalid Resource")), ChunkRefused)
    bare = fail(status, b"")
    assert isinstance(bare, ChunkRefused)
    assert bare.code == str(status)
    untitled = fail(status, b'{"detail":"no"}')
    assert isinstance(untitled, ChunkRefused)
    assert untitled.code == str(status)
    assert isinstance(fail(status, problem("Invalid Resource"), AUDIENCE), StopRun)


@pytest.mark.parametrize("status", [400, 401, 404, 405, 422])
@pytest.mark.parametrize("call", [CHUNK, AUDIENCE, ACCOUNT, TAG])
def test_a_refusal_that_breaks_off_says_nothing_and_is_asked_for_again(status: int, call: Call) -> None:
    """Half an answer stops no run: a member who is not there yet is told of by a 404, too."""
    error = fail(status, problem("Resource Not Found")[:40], call)
    assert isinstance(error, Unavailable)
    assert str(error) == "Mailchimp's answer breaks off: the call is made again."


@pytest.mark.parametrize("status", [402, 405, 406, 410, 414, 415, 431, 451])
def test_a_call_refused_for_how_it_is_made_stops_the_run(status: int) -> None:
    error = fail(status, problem("Method Not Allowed"))
    assert isinstance(error, StopRun)
    assert str(error) == (
        f"Mailchimp does not know this kind of call ({status} Method Not Allowed): "
        "check the base URL, or update segment-export."
    )


@pytest.mark.parametrize("status", [101, 201, 202, 204, 206])
def test_a_success_of_another_kind_is_an_answer_that_means_nothing(status: int) -> None:
    error = fail(status)
    assert isinstance(error, Unavailable)
    assert not error.may_be_open


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=20),
    call=st.sampled_from([CHUNK, AUDIENCE, ACCOUNT, TAG, TAGGED]),
)
def test_every_status_has_a_fate_and_one_sentence(status: int, body: bytes, call: Call) -> None:
    error = fail(status, body, call)
    assert isinstance(error, RetryLater | ChunkRefused | StopRun)
    assert str(error).endswith(".")
    assert ". " not in str(error)


# --- refused calls --------------------------------------------------------------------------------


def test_a_refused_call_tells_the_field_and_the_reason() -> None:
    faults = [{"field": "members.item:3.merge_fields.BDAY", "message": "Please enter a date."}]
    error = fail(400, problem("Invalid Resource", "See errors.", faults))
    assert isinstance(error, ChunkRefused)
    assert (error.code, error.field) == ("Invalid Resource", "merge_fields.BDAY")
    assert str(error) == (
        "Mailchimp refused a call for something in it (400 Invalid Resource, field merge_fields.BDAY: "
        "Please enter a date): correct that value in the source."
    )


@pytest.mark.parametrize("errors", [None, [], {}, "odd", [5], [{"field": 5}], [{}]])
def test_a_refused_call_is_understood_whatever_its_errors_look_like(errors: object) -> None:
    error = fail(400, problem("JSON Parse Error", "It is malformed.", errors))
    assert isinstance(error, ChunkRefused)
    assert error.code == "JSON Parse Error"
    assert error.field == ""


@pytest.mark.parametrize(
    "fault",
    [
        {"field": "members.item:0.status_if_new", "message": "This field is not allowed"},
        {"field": "status_if_new", "message": ""},
        {"field": "", "message": "Unknown property 'status_if_new'"},
        {"field": "status", "message": "must be one of subscribed, unsubscribed"},
        {"field": "members.item:12.status", "message": "This field is required"},
        {"field": "members/12/status", "message": ""},
        {"field": "members.item:0", "message": "Required field status is missing"},
        {"field": "members", "message": "Data did not match any of the schemas described in anyOf: status"},
    ],
)
def test_an_audience_that_does_not_take_status_if_new_stops_the_run(fault: dict[str, str]) -> None:
    other = {"field": "members.item:1.merge_fields", "message": "Schema describes object"}
    error = fail(400, problem("Invalid Resource", "See errors.", [other, fault]))
    assert isinstance(error, StopRun)
    assert str(error) == (
        "Audience a1b2c3d4e5 does not take status_if_new (400 Invalid Resource), and a plain status could "
        "subscribe people who said no: export to another audience until this one takes it."
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"field": "members.item:0", "message": "Data did not match any of the schemas described in anyOf."},
        {"field": "members.item:0.merge_fields.STATUS", "message": "This value is required"},
        {"field": "members.item:0.merge_fields.status", "message": ""},
        {"field": "STATUS", "message": "Status is required"},
        {"field": "members.item:0.merge_fields", "message": "marital status is missing"},
        {"field": "members.item:0.email_address", "message": "The status of this domain is bad"},
    ],
)
def test_a_member_to_blame_does_not_stop_the_run(fault: dict[str, str]) -> None:
    assert isinstance(fail(400, problem("Invalid Resource", "See errors.", [fault])), ChunkRefused)


# --- no personal data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jane.doe@example.org looks fake.", "(an address) looks fake"),
        ("<jane@example.org>: is already a member", "(an address) is already a member"),
        ('"Jane Doe"@example.org looks fake', "(an address)"),
        ("see ?email=jane%40example.org", "see (an address)"),
        ("jane＠example.org is fake", "(an address) is fake"),  # noqa: RUF001  # a full-width sign
        ("two\nlines\x00 and\u202e more ", "two lines and more"),
        ("x" * 500, "x" * 160),
    ],
)
def test_texts_of_mailchimp_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


_foreign = st.text(alphabet=st.sampled_from('ab @＠%40"<>.\n'), max_size=60)  # noqa: RUF001  # the same sign


@given(status=st.sampled_from([400, 401, 403, 404, 405, 429, 500]), text=_foreign, field=_foreign)
def test_no_address_of_an_answer_gets_into_an_error(status: int, text: str, field: str) -> None:
    email = "jane@example.org"
    faults = [{"field": field + email, "message": f"{text} {email}"}]
    error = fail(status, problem(f"{text} {email}", f"{email} {text}", faults))
    told = [str(error), getattr(error, "code", ""), getattr(error, "field", "")]
    assert not any(sign in part for part in told for sign in ("@", "＠", "%40", "jane"))  # noqa: RUF001  # the sign


# --- no answer ------------------------------------------------------------------------------------


def _walk(kind: type[httpx.TransportError]) -> list[type[httpx.TransportError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _walk(child))]


CONNECTING = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
NEVER_SENT = {*CONNECTING, "LocalProtocolError", "UnsupportedProtocol"}


class _BreaksWhileRead(httpx.SyncByteStream):
    def __init__(self, kind: type[httpx.TransportError]) -> None:
        self._kind = kind

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204  # raises before the first byte
        raise self._kind("jane@example.org")


@pytest.mark.parametrize("kind", _walk(httpx.TransportError))
@pytest.mark.parametrize("moment", ["sending", "reading"])
def test_every_transport_error_comes_out_as_one_of_ours(
    kind: type[httpx.TransportError], moment: str
) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        if moment == "reading":
            return httpx.Response(HTTPStatus.OK, stream=_BreaksWhileRead(kind))
        raise kind("jane@example.org")

    with (
        MailchimpClient(
            base_url="http://x/3.0", api_key="k", transport=httpx.MockTransport(answer)
        ) as client,
        pytest.raises(SegmentExportError) as caught,
    ):
        client.upsert("a1b2c3d4e5", b"{}")
    assert getattr(caught.value, "may_be_open", False) == (kind.__name__ not in NEVER_SENT)
    assert "jane" not in str(caught.value)
    # a traceback in a log would print the cause's text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
