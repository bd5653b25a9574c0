"""Merge fields are made as the export needs them, and never twice."""

import pytest

from tests.mailchimp.scripted import LIST, Script, problem
from tests.mailchimp_standin import AudienceHandle, Reset, Standin
from worker.errors import StopRun, Unavailable
from worker.exports.attributes import MergeField
from worker.mailchimp.client import MailchimpClient

TIER = MergeField("TIER", "Tier", "dropdown", choices=("gold", "silver"))
KINDS = ("text", "number", "address", "phone", "date", "url", "imageurl", "birthday", "zip")


def test_a_new_merge_field_is_sent_with_no_more_than_it_has() -> None:
    made = {"merge_id": 5, "tag": "AGE", "name": "AGE", "type": "number", "required": False, "options": {}}
    script = Script((200, made), (200, {**made, "tag": "TIER", "options": {"choices": ["gold"]}}))
    assert script.client.create_merge_field(LIST, MergeField("AGE", "", "number")) == MergeField(
        "AGE", "AGE", "number"
    )
    assert script.client.create_merge_field(LIST, TIER).choices == ("gold",)
    assert script.asked == [f"POST /lists/{LIST}/merge-fields"] * 2
    assert script.bodies == [
        {"tag": "AGE", "name": "AGE", "type": "number"},
        {"tag": "TIER", "name": "Tier", "type": "dropdown", "options": {"choices": ["gold", "silver"]}},
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_merge_fields_of_every_type_can_be_made(
    client: MailchimpClient, audience: AudienceHandle, kind: str
) -> None:
    field = MergeField("MADE", "Made by us", kind, required=True)
    assert client.create_merge_field(audience.id, field) == field
    assert client.merge_fields(audience.id)[-1] == field


def test_a_merge_field_that_is_there_already_is_given_as_it_is(
    standin: Standin, client: MailchimpClient, audience: AudienceHandle
) -> None:
    standin.add_fault(Reset(applied=True), method="POST", times=1)
    with pytest.raises(Unavailable):
        client.create_merge_field(audience.id, TIER)
    assert client.create_merge_field(audience.id, TIER) == TIER
    with pytest.raises(StopRun, match=r"^Mailchimp refused a merge field for audience"):
        client.create_merge_field(audience.id, MergeField("TIER", "Tier", "text"))
    assert [field.tag for field in client.merge_fields(audience.id)].count("TIER") == 1


def test_a_merge_field_that_can_not_be_made_stops_the_run() -> None:
    fault = {"field": "options.choices", "message": "Choices are required."}
    refused = (400, problem("Invalid Resource", "Your merge field was invalid.", errors=[fault]))
    script = Script(refused, (200, {"merge_fields": [], "total_items": 0}))
    with pytest.raises(StopRun) as caught:
        script.client.create_merge_field(LIST, TIER)
    assert str(caught.value) == (
        f"Mailchimp refused a merge field for audience {LIST} "
        "(400 Invalid Resource, field options.choices: Choices are required): correct it in the export."
    )


def test_a_merge_field_is_not_made_in_an_audience_that_is_gone(
    client: MailchimpClient, audience: AudienceHandle
) -> None:
    audience.delete()
    with pytest.raises(StopRun, match="or no such audience"):
        client.create_merge_field(audience.id, TIER)
