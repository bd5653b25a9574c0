"""One notice by each way, to real servers on this machine."""

import email
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from producer.notifications import mail, posting
from producer.notifications.faults import NotSent
from producer.notifications.notices import Notice
from producer.notifications.sending import Sender
from tests.certificates import self_signed
from tests.notifications.far_sides import mailbox, receiver
from worker.exports.channels import Email, Notification, Slack, Webhook
from worker.exports.runs import RunDocument, Trigger
from worker.keyring import Keyring

SECRET = "whsec_" + "c2VjcmV0" * 6
AT = datetime(2026, 11, 24, 2, 12, 7, tzinfo=UTC)
COUNTS = {"read": 5000, "created": 10, "updated": 4980, "rejected": 10}
RUN = RunDocument.of(
    run_id="20261124-021207-5f3a9c1b",
    export="weekly",
    trigger=Trigger("refresh", "r1"),
    status="partial",
    count=lambda name: COUNTS.get(name, 0),
    started_at=None,
    finished_at=None,
    error=None,
)
LINK = "https://exports.example.com/v1/runs/20261124-021207-5f3a9c1b"
NOTICE = Notice("run.partial.on-call", "partial", "weekly", AT, "10 of 5,000 <left> out & more.", LINK, RUN)

LOGIN = {"encryption": "starttls", "user": "exports", "password": "env:PASSWORD"}


def send(channel: Notification, now: datetime | None = None, **environ: str) -> None:
    Sender(Keyring([b"k" * 32]), environ).send(channel, NOTICE, now or datetime.now(UTC))


def webhook(url: str = "env:URL") -> Webhook:
    return Webhook(name="on-call", type="webhook", url=url, secret="env:SECRET")  # noqa: S106 - a reference


def slack() -> Slack:
    return Slack(name="team", type="slack", url="env:URL")


def ops(port: int, **keys: object) -> Email:
    values = {"name": "ops", "type": "email", "host": "127.0.0.1", "port": port, "encryption": "none"}
    addresses = {"sender": "exports@example.com", "to": ("ops@example.com", "night@example.com")}
    return Email.model_validate(values | addresses | keys)


@pytest.mark.parametrize("part", [0, 499_999, 500_001, 999_999])
def test_a_webhook_is_signed_so_that_the_standard_library_verifies_it(part: int) -> None:
    """In whichever part of a second it is sent."""
    with receiver() as far:
        now = datetime.now(UTC).replace(microsecond=part)
        send(webhook(), now, URL=f"{far.url}/hook", SECRET=SECRET)
    (request,) = far.received
    told = Verifier(SECRET).verify(request.body, request.headers)
    assert request.headers["webhook-id"] == NOTICE.id
    assert told["type"] == "run.partial"
    assert told["timestamp"] == "2026-11-24T02:12:07.000Z"
    assert told["data"]["profiles"]["rejected"] == 10
    assert (told["data"]["export"], told["data"]["status"], told["data"]["link"]) == (
        "weekly",
        "partial",
        LINK,
    )
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(request.body + b" ", request.headers)


def test_slack_gets_a_text_that_mentions_nobody() -> None:
    with receiver() as far:
        send(slack(), URL=far.url)
    text = json.loads(far.received[0].body)["text"]
    assert text.splitlines() == [
        "*weekly: ended as partial*",
        "10 of 5,000 &lt;left&gt; out &amp; more.",
        "5,000 read, 10 created, 4,980 updated, 10 rejected",
        LINK,
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, "its address answered 302, and redirects are not followed"),
        (404, "its address answered 404"),
        (500, "its address answered 500"),
    ],
)
def test_another_answer_than_yes_is_told_by_its_number(status: int, reason: str) -> None:
    with receiver() as far:
        far.answers.append(status)
        with pytest.raises(NotSent) as refused:
            send(slack(), URL=far.url)
    assert str(refused.value) == reason
    assert len(far.received) == 1


@pytest.mark.parametrize(
    "url", ["ftp://here", "http://", "https://user:secret@here/", "nonsense", "http://[", "h"]
)
def test_what_is_no_http_address_is_never_called(url: str) -> None:
    with pytest.raises(NotSent, match="its url is no address"):
        send(slack(), URL=url)


def test_an_address_where_nobody_listens_is_no_crash() -> None:
    with pytest.raises(NotSent, match=r"can't be reached \(ConnectError\)"):
        send(slack(), URL="http://127.0.0.1:1/")


def test_a_secret_that_is_not_there_is_told_by_its_place() -> None:
    with pytest.raises(NotSent, match="its url is not set: environment variable URL is missing"):
        send(slack())
    with pytest.raises(NotSent, match="its secret is not 24 bytes or more in base64"):
        send(webhook(), URL="http://127.0.0.1:1/", SECRET="short")  # noqa: S106 - not a secret


def test_an_address_that_does_not_answer_is_given_up_in_time() -> None:
    with receiver() as far:
        far.holds = Event()
        began = time.monotonic()
        with pytest.raises(NotSent, match="did not answer within"):
            posting.post(far.url, b"{}", {}, timedelta(milliseconds=300))
        assert time.monotonic() - began < 5


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with receiver() as far:
        send(slack(), URL=far.url)
        assert len(far.received) == 1


def test_mail_is_a_plain_message_with_a_stable_id() -> None:
    with mailbox() as box:
        send(ops(box.port))
    message = email.message_from_string(box.messages[0])
    assert message["Subject"] == "segment-export: weekly: ended as partial"
    assert message["To"] == "ops@example.com, night@example.com"
    assert message["Message-ID"] == "<run.partial.on-call@segment-export>"
    assert LINK in str(message.get_payload())


def test_a_password_goes_over_tls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mailbox(certificate) as box:
        send(ops(box.port, **LOGIN), PASSWORD="hunter2")  # noqa: S106 - nobody's
    commands = [line.split(" ")[0].upper() for line in box.commands]
    assert commands.index("STARTTLS") < commands.index("AUTH") < commands.index("MAIL")
    assert len(box.messages) == 1


def test_a_certificate_that_nobody_vouches_for_ends_the_session_before_the_login(tmp_path: Path) -> None:
    with mailbox(self_signed(tmp_path)) as box:
        with pytest.raises(NotSent, match="SSLCertVerificationError"):
            send(ops(box.port, **LOGIN), PASSWORD="hunter2")  # noqa: S106 - nobody's
        assert not any(line.startswith("AUTH") for line in box.commands)


def test_a_mail_server_without_starttls_gets_nothing() -> None:
    with mailbox() as box:
        with pytest.raises(NotSent, match="its mail server can't be used"):
            send(ops(box.port, encryption="starttls"))
        assert box.messages == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("MAIL", "its mail server answered 550"),
        ("RCPT", "its mail server takes mail for none of the addresses"),
        ("DATA", "its mail server answered 550"),
    ],
)
def test_a_refusal_is_told_without_the_words_of_the_server(command: str, reason: str) -> None:
    with mailbox() as box:
        box.refuses = command
        with pytest.raises(NotSent) as refused:
            send(ops(box.port))
    assert str(refused.value) == reason


def test_a_mail_server_that_drips_is_cut_off_in_time() -> None:
    with mailbox() as box:
        box.drips = True
        began = time.monotonic()
        with pytest.raises(NotSent, match="its mail server"):
            mail.send(ops(box.port), "", NOTICE, timedelta(milliseconds=400))
        assert time.monotonic() - began < 5
