"""A first small call and its look-ups, against both dialects that Mailchimp may speak."""

import json
from collections.abc import Mapping

import pytest

from tests.mailchimp_standin import AudienceHandle, MemberView
from tests.mailchimp_standin.audience import Dialect
from worker.errors import StopRun
from worker.exports.canary import Asked, Finding, Probe, judge
from worker.exports.uploading import harmed, sort_with_statuses, statuses
from worker.mailchimp.client import MailchimpClient
from worker.mailchimp.errors import SendAnotherWay

NEW = "new@mail.org"
KNOWN = {
    f"{status}@mail.org": status for status in ("subscribed", "pending", "transactional", "unsubscribed")
}


def _body(asked: Mapping[str, Asked]) -> bytes:
    def member(address: str, said: Asked) -> dict[str, object]:
        statuses = {"status": said.status, "status_if_new": said.status_if_new}
        told = {key: status for key, status in statuses.items() if status}
        return {"email_address": address, "tags": said.tags, **told}

    members = [member(*item) for item in asked.items()]
    return json.dumps({"members": members, "update_existing": True}).encode()


def _sing(client: MailchimpClient, audience: AudienceHandle, asked: Mapping[str, Asked]) -> Finding:
    before = {address: client.member(audience.id, address) for address in asked}
    answer = client.upsert(audience.id, _body(asked))
    refused = {refusal.email for refusal in answer.refusals}
    return judge(
        Probe(before[address], said, client.member(audience.id, address), address in refused)
        for address, said in asked.items()
    )


@pytest.fixture
def audience(audience: AudienceHandle) -> AudienceHandle:
    audience.seed(
        MemberView(address, status, tags=("eu",), unsubscribed_by="admin")
        for address, status in KNOWN.items()
    )
    return audience


def test_the_newest_dialect_is_learned_and_harms_nobody(
    client: MailchimpClient, audience: AudienceHandle
) -> None:
    asked = Asked(status_if_new="pending", tags=("loyal", "eu"))
    found = _sing(client, audience, dict.fromkeys([NEW, *KNOWN], asked))
    assert found == Finding(knows_status_if_new=True, keeps_status=True, knows_tags=True)
    assert audience.status_changes() == []


def test_the_classic_dialect_is_learned_by_a_refusal_and_a_second_call(
    client: MailchimpClient, audience: AudienceHandle
) -> None:
    audience.configure(dialect="classic")
    asked = Asked(status_if_new="pending", tags=("loyal",))
    with pytest.raises(SendAnotherWay, match="does not take status_if_new") as caught:
        _sing(client, audience, dict.fromkeys([NEW, *KNOWN], asked))
    assert isinstance(caught.value, StopRun)
    assert audience.member(NEW) is None
    again = {NEW: "pending", **KNOWN}
    found = _sing(client, audience, {a: Asked(status=s, tags=("loyal",)) for a, s in again.items()})
    assert found == Finding(knows_status_if_new=None, keeps_status=None, knows_tags=False)
    assert audience.status_changes() == []


def test_a_status_sent_for_somebody_who_has_another_is_seen_as_harm(
    client: MailchimpClient, audience: AudienceHandle
) -> None:
    found = _sing(client, audience, dict.fromkeys([NEW, *KNOWN], Asked(status="subscribed")))
    assert found.harms == tuple(
        f"status_changed:{s}->subscribed" for s in KNOWN.values() if s != "subscribed"
    )
    assert audience.resubscribed == len(found.harms)


def test_the_answer_alone_shows_whom_the_call_subscribed_again(
    client: MailchimpClient, audience: AudienceHandle
) -> None:
    answer = client.upsert(audience.id, _body(dict.fromkeys([NEW, *KNOWN], Asked(status="subscribed"))))
    assert sorted(harmed(KNOWN, statuses(answer))) == sorted(a for a, s in KNOWN.items() if s != "subscribed")


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned"])
@pytest.mark.parametrize("by", ["self", "admin"])
def test_who_leaves_before_the_call_arrives_ends_as_suppressed(
    client: MailchimpClient, audience: AudienceHandle, status: str, by: str
) -> None:
    audience.seed([MemberView("ann@mail.org", status, unsubscribed_by=by)])
    sent = [NEW, "ann@mail.org"]
    answer = client.upsert(audience.id, _body(dict.fromkeys(sent, Asked(status_if_new="subscribed"))))
    after = statuses(answer)
    sorted_ = sort_with_statuses(2, lambda: sent, answer, after)
    is_out = status != "subscribed"
    assert (sorted_.created, sorted_.updated) == (1, 0 if is_out else 1)
    assert [at for at, _ in sorted_.suppressed] == ([1] if is_out else [])
    assert harmed({"ann@mail.org": status}, after) == []
    assert audience.status_changes() == []


@pytest.mark.parametrize("dialect", ["newest", "classic"])
def test_who_unsubscribes_before_a_call_with_a_status_arrives_ends_as_suppressed_with_the_refusal(
    client: MailchimpClient, audience: AudienceHandle, dialect: Dialect
) -> None:
    audience.configure(dialect=dialect)
    audience.seed([MemberView("ann@mail.org", "subscribed")])
    audience.unsubscribe("ann@mail.org")
    sent = [NEW, "ann@mail.org"]
    answer = client.upsert(audience.id, _body(dict.fromkeys(sent, Asked(status="subscribed"))))
    sorted_ = sort_with_statuses(2, lambda: sent, answer, statuses(answer))
    assert (sorted_.created, list(sorted_.refused), list(sorted_.missing)) == (1, [], [])
    assert list(sorted_.suppressed) == [(1, answer.refusals[0])]
    assert audience.resubscribed == 0
