"""Channels as they are declared: what a file may say, and what is kept of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.application import Producer
from producer.applying import apply
from producer.cli import cli
from producer.declaring import CatalogRefused
from tests.clock.installation import declare, export
from worker.exports.channels import EVENTS, USUAL, Webhook, public
from worker.state import keys

SECRET = "whsec_" + "c2VjcmV0" * 6
SLACK = "https://hooks.slack.example/services/T0/B0/x0x0x0x0"
CATALOG = f"""\
notifications:
  on-call:
    type: webhook
    url: https://on-call.example/hook
    secret: {SECRET}
    on: [failed]
    exports: [weekly]
  team: {{type: slack, url: "{SLACK}"}}
  ops:
    type: email
    host: smtp.example.com
    sender: exports@example.com
    to: [ops@example.com]
    user: exports
    password: hunter2-hunter2
    on: every
    exports: all
"""


def applied(producer: Producer, folder: Path, text: str) -> list[str]:
    path = folder / "catalog.yaml"
    path.write_text(text)
    changes = apply(path, producer.catalog, producer.keyring, {}).changes
    return [f"{change.kind} {change.name} {change.what}" for change in changes]


def refusals(producer: Producer, folder: Path, text: str) -> list[str]:
    with pytest.raises(CatalogRefused) as refused:
        applied(producer, folder, text)
    return [problem.sentence for problem in refused.value.problems]


@pytest.fixture
def known(producer: Producer) -> Producer:
    declare(producer, export())
    return producer


def test_channels_are_declared_beside_exports(known: Producer, tmp_path: Path) -> None:
    assert applied(known, tmp_path, CATALOG) == [
        "notification on-call added",
        "notification team added",
        "notification ops added",
    ]
    on_call, ops, team = known.catalog.notifications()
    assert (on_call.on, on_call.exports) == (("failed",), ("weekly",))
    assert (team.on, team.exports) == (USUAL, ())
    assert ops.on == EVENTS
    assert isinstance(on_call, Webhook)


def test_applying_again_changes_nothing_although_secrets_are_sealed_anew(
    known: Producer, tmp_path: Path
) -> None:
    applied(known, tmp_path, CATALOG)
    assert {line.rpartition(" ")[2] for line in applied(known, tmp_path, CATALOG)} == {"unchanged"}
    other = CATALOG.replace("hunter2-hunter2", "hunter3-hunter3")
    assert applied(known, tmp_path, other)[2] == "notification ops changed"


def test_nothing_that_is_secret_is_stored_or_shown_in_the_open(known: Producer, tmp_path: Path) -> None:
    applied(known, tmp_path, CATALOG)
    stored = json.dumps(known.client.hgetall(keys.CATALOG_NOTIFICATIONS))
    shown = json.dumps([public(channel) for channel in known.catalog.notifications()])
    for text in (SECRET, SLACK, "hunter2", "on-call.example/hook"):
        assert text not in stored
        assert text not in shown
    assert "encrypted:" not in shown
    assert '"exports": "all"' in shown


def test_channels_are_listed_without_their_secrets(known: Producer, tmp_path: Path) -> None:
    applied(known, tmp_path, CATALOG)
    listed = CliRunner().invoke(cli, ["get", "notifications"], obj=known)
    assert listed.stdout.splitlines()[0].split() == [
        "NAME",
        "TYPE",
        "ON",
        "EXPORTS",
        "WAITING",
        "GIVEN",
        "UP",
    ]
    asked = CliRunner().invoke(cli, ["get", "notifications", "team", "--json"], obj=known)
    assert json.loads(asked.stdout)["notifications"][0]["url"] == "encrypted"


@pytest.mark.parametrize(
    ("channel", "sentence"),
    [
        (
            "{type: pager, url: env:URL}",
            'type of notification n is "pager"; write webhook, slack or email.',
        ),
        ("{url: env:URL}", "Notification n has no type; write webhook, slack or email."),
        (
            "{type: slack}",
            "Notification n has no url; write env:NAME or file:PATH, or the URL itself, stored encrypted.",
        ),
        (
            "{type: slack, url: 'ftp://x'}",
            (
                "url of notification n is neither a well-formed reference, env:NAME_OF_A_VARIABLE or "
                "file:PATH, nor a URL that begins with https:// or http://."
            ),
        ),
        (
            "{type: webhook, url: env:URL, secret: c2hvcnQ=}",
            (
                "secret of notification n is neither a well-formed reference, env:NAME_OF_A_VARIABLE or "
                "file:PATH, nor a secret of 24 bytes or more in base64, as `openssl rand -base64 32` makes "
                "it."
            ),
        ),
        (
            "{type: slack, url: env:URL, on: [sometimes]}",
            (
                'on of notification n is "sometimes"; write every, or a list of successful, partial, '
                "failed, canceled, skipped, held, late."
            ),
        ),
        (
            "{type: slack, url: env:URL, exports: [monthly]}",
            (
                'Notification n names export "monthly", which is neither in this file nor in the catalog; '
                "declare it or name another."
            ),
        ),
        (
            "{type: slack, url: env:URL, exports: []}",
            "exports of notification n is empty; write all, or a list of names of exports.",
        ),
        (
            "{type: slack, url: env:URL, zzz: 25}",
            'Notification n has an unknown key "zzz"; the keys known here are type, on, exports, url.',
        ),
        (
            "{type: email, host: h, sender: a@b.example, to: [a@b.example], password: env:P}",
            "password of notification n goes with a user; write one, or take the password out.",
        ),
        (
            (
                "{type: email, host: h, encryption: none, sender: a@b.example, to: [a@b.example], user: u, "
                "password: env:P}"
            ),
            (
                "password of notification n would travel in the open; "
                "set encryption to starttls or tls, or take it out."
            ),
        ),
        (
            "{type: email, host: h, sender: nobody, to: [a@b.example]}",
            "sender of notification n is not an e-mail address; write one such as ops@example.com.",
        ),
    ],
)
def test_what_is_wrong_with_a_channel_is_one_sentence(
    known: Producer, tmp_path: Path, channel: str, sentence: str
) -> None:
    assert refusals(known, tmp_path, f"notifications:\n  n: {channel}\n") == [sentence]


def test_a_channel_can_be_silenced(known: Producer, tmp_path: Path) -> None:
    applied(known, tmp_path, "notifications:\n  n: {type: slack, url: env:URL, on: []}\n")
    (channel,) = known.catalog.notifications()
    assert not any(channel.wants(event, "weekly") for event in EVENTS)
