"""Whose an event is: rule 7 of the security rules, case by case."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from producer.application import Producer
from producer.cli import cli
from producer.cloudevents import EventRefused
from producer.incoming import accept
from producer.webhooks import Unverified, verify
from tests.events.conftest import NOW, OTHER, SECRET, Post, encoded, event, signed, with_settings
from worker.errors import TellOperator
from worker.settings import Settings

BODY = encoded(event())
GOOD = signed(BODY)


def refusal(door: Producer, headers: dict[str, str], body: bytes = BODY) -> EventRefused:
    with pytest.raises(EventRefused) as refused:
        accept(door, headers, body, NOW)
    assert door.runs.recent() == []
    return refused.value


def test_what_the_library_signs_is_taken(post: Post) -> None:
    assert post(event()).status == 202


@pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_each_header_is_needed(door: Producer, missing: str) -> None:
    assert refusal(door, {name: text for name, text in GOOD.items() if name != missing}).status == 401


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        pytest.param({"Webhook-Id": "msg_2"}, BODY, id="another id"),
        pytest.param({"Webhook-Timestamp": str(int(NOW.timestamp()) + 1)}, BODY, id="another time"),
        pytest.param({}, encoded(event("2")), id="another body"),
        pytest.param(signed(BODY, secret=OTHER), BODY, id="another secret"),
        pytest.param(
            {"Webhook-Signature": signed(encoded(event("2")))["Webhook-Signature"]}, BODY, id="swapped"
        ),
        pytest.param({"Webhook-Signature": GOOD["Webhook-Signature"].replace("v1,", "v2,")}, BODY, id="v2"),
        pytest.param({"Webhook-Signature": GOOD["Webhook-Signature"][:-1]}, BODY, id="cut"),
        pytest.param({"Webhook-Signature": "v1"}, BODY, id="no comma"),
        pytest.param({"Webhook-Signature": "v1,!,!"}, BODY, id="two commas"),
        pytest.param({"Webhook-Signature": "v1,é"}, BODY, id="not ASCII"),
        pytest.param({"Webhook-Id": "msg\n1"}, BODY, id="line break"),
        pytest.param({"Webhook-Id": "m" * 201}, BODY, id="long id"),
        pytest.param({"Webhook-Timestamp": "soon"}, BODY, id="no number"),
        pytest.param({"Webhook-Timestamp": "9" * 5000}, BODY, id="a number that is too large"),
        pytest.param({"Webhook-Timestamp": "99999999999"}, BODY, id="the year 5138"),
        pytest.param({"Webhook-Timestamp": "٣"}, BODY, id="digits of another script"),
        pytest.param({}, b"\xff\xfe", id="odd bytes"),
        pytest.param({}, b"", id="no body"),
    ],
)
def test_whatever_is_wrong_with_a_signature_is_told_in_the_same_words(
    door: Producer, changed: dict[str, str], body: bytes
) -> None:
    refused = refusal(door, GOOD | changed, body)
    assert refused.status == 401
    assert str(refused) == str(refusal(door, {}))


@pytest.mark.parametrize("away", [timedelta(minutes=-5), timedelta(), timedelta(minutes=5)])
def test_an_event_is_taken_for_five_minutes(post: Post, away: timedelta) -> None:
    assert post(event(), at=NOW + away).status == 202


@pytest.mark.parametrize("away", [timedelta(minutes=-5, seconds=-1), timedelta(minutes=5, seconds=1)])
def test_an_old_and_a_future_event_are_refused(door: Producer, away: timedelta) -> None:
    assert refusal(door, signed(BODY, at=NOW + away)).status == 401


def test_either_secret_is_taken_while_they_rotate(door: Producer) -> None:
    both = with_settings(door, webhook_secrets=SecretStr(f"{OTHER}, {SECRET}"))
    for secret, status in ((OTHER, 202), (SECRET, 200)):
        assert accept(both, signed(BODY, secret=secret), BODY, NOW).status == status


def test_one_signature_of_several_is_enough(door: Producer) -> None:
    several = f"v1a,unknown v1,{'A' * 44} {GOOD['Webhook-Signature']}"
    assert accept(door, GOOD | {"Webhook-Signature": several}, BODY, NOW).status == 202


def test_the_same_request_again_is_a_duplicate(door: Producer) -> None:
    first, again = (accept(door, GOOD, BODY, NOW) for _ in range(2))
    assert (first.status, again.status) == (202, 200)
    assert again.document == first.document | {"duplicate": True}


def test_without_a_secret_nothing_is_taken_and_the_log_says_why(catalog: Producer) -> None:
    with capture_logs() as logs:
        assert refusal(catalog, GOOD).status == 401
    assert [line["reason"] for line in logs] == ["SEGMENT_EXPORT_WEBHOOK_SECRETS is not set"]


def test_the_body_is_not_read_before_its_signature(door: Producer) -> None:
    assert refusal(door, GOOD, b"{" * 60_000).status == 401


def test_the_log_tells_the_reason_and_repeats_nothing(door: Producer) -> None:
    with capture_logs() as logs:
        refusal(door, GOOD | {"Webhook-Id": "dana@example.com"})
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("event.unverified", "no signature was made with a secret of ours")
    ]


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.text() | st.just(str(int(NOW.timestamp()))) | st.from_regex(r"v1,[A-Za-z0-9+/]{43}="),
    ),
    body=st.binary(max_size=200),
)
def test_no_request_raises_anything_else(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unverified):
        verify(headers, body, NOW, [SECRET])


@given(
    body=st.text(st.characters(exclude_categories=["Cs"])),
    away=st.integers(-400, 400).filter(lambda seconds: abs(abs(seconds) - 300) > 20),
    tampered=st.booleans(),
)
def test_our_verdict_is_the_library_s(body: str, away: int, tampered: bool) -> None:  # noqa: FBT001
    now = datetime.now(UTC)
    headers = signed(body.encode(), at=now + timedelta(seconds=away))
    received = f"{body} " if tampered else body
    lowered = {name.lower(): text for name, text in headers.items()}
    ours = raises(verify, lowered, received.encode(), now, [SECRET])
    assert ours == raises(Webhook(SECRET).verify, received, headers, json_parse=False)


def raises(function: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    try:
        function(*arguments, **options)
    except Exception:  # noqa: BLE001 - the library has several
        return True
    return False


@pytest.mark.parametrize(
    "secrets",
    [
        pytest.param("whsec_" + base64.b64encode(b"12345").decode(), id="5 bytes"),
        pytest.param("whsec_" + base64.b64encode(b"1" * 23).decode(), id="23 bytes"),
        pytest.param("whsec_" + base64.b64encode(b"1" * 65).decode(), id="65 bytes"),
        pytest.param("whsec_", id="nothing"),
        pytest.param("", id="empty"),
        pytest.param(SECRET.removeprefix("whsec_"), id="no prefix"),
        pytest.param(f"{SECRET},", id="a comma too many"),
        pytest.param(f"{SECRET};{OTHER}", id="semicolon"),
        pytest.param(f"{SECRET},whsec_hunter2-hunter2-hunter2-hunter2", id="no base64"),
    ],
)
def test_a_weak_or_malformed_secret_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, secrets: str
) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_WEBHOOK_SECRETS", secrets)
    with pytest.raises(TellOperator, match="SEGMENT_EXPORT_WEBHOOK_SECRETS") as refused:
        Settings.from_environment()
    assert "whsec_" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_command_prints_a_secret_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (CliRunner().invoke(cli, ["webhook-secret"]).output.strip() for _ in range(2))
    monkeypatch.setenv("SEGMENT_EXPORT_WEBHOOK_SECRETS", f"{first},{second}")
    assert Settings.from_environment().webhook_keys() == (first, second)
    assert first != second
