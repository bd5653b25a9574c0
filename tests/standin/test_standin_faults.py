"""Faults on demand: which calls they meet, and what they do to them."""

import time
from typing import Any

import httpx
import pytest

from tests.mailchimp_standin import (
    LIST_ID,
    AudienceHandle,
    Bare,
    Broken,
    Delay,
    DeleteAudience,
    DeleteMergeField,
    DeleteTag,
    Drip,
    Poison,
    Refuse,
    Reset,
    RevokeKey,
    Standin,
    Swallow,
    Truncate,
    UnderReview,
)
from tests.mailchimp_standin.caller import Caller

PING = "/3.0/ping"


def members(*names: str) -> list[dict[str, Any]]:
    return [{"email_address": f"{name}@mail.org", "status_if_new": "subscribed"} for name in names]


def statuses(caller: Caller, number: int, path: str = PING) -> list[int]:
    return [caller.http.get(path).status_code for _ in range(number)]


def test_rules_choose_calls_by_method_path_account_audience_and_number(
    standin: Standin, caller: Caller
) -> None:
    standin.add_fault(Bare(500), method="POST")
    standin.add_fault(Bare(501), path=r"/merge-fields$")
    standin.add_fault(Bare(502), account="another key")
    standin.add_fault(Bare(503), audience="another audience")
    hit = standin.add_fault(Bare(504), audience=LIST_ID, path="/segments", after=1, times=2)
    nth = standin.add_fault(Bare(505), path="^/ping$", nth=3)
    assert statuses(caller, 4) == [200, 200, 505, 200]
    assert statuses(caller, 1, f"{caller.list}/merge-fields") == [501]
    assert statuses(caller, 5, f"{caller.list}/segments") == [200, 504, 504, 200, 200]
    assert caller.batch(*members("ann")).status_code == 500
    assert (standin.fault_hits(hit), standin.fault_hits(nth)) == (2, 1)
    standin.remove_fault(hit)
    with pytest.raises(KeyError):
        standin.fault_hits(hit)
    standin.clear_faults()
    assert caller.batch(*members("ann")).status_code == 200


def test_chance_follows_its_seed(standin: Standin, caller: Caller) -> None:
    rounds = []
    for seed in (1, 1, 2):
        number = standin.add_fault(Bare(503), probability=0.5, seed=seed)
        rounds.append(statuses(caller, 20))
        standin.remove_fault(number)
    assert rounds[0] == rounds[1] != rounds[2]
    assert {200, 503} == set(rounds[0])


@pytest.mark.parametrize("applied", [False, True])
def test_refusals_come_with_a_problem_without_a_body_or_with_html(
    standin: Standin,
    audience: AudienceHandle,
    caller: Caller,
    applied: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    faults: list[Refuse | Bare | Broken] = [
        Refuse(403, "Forbidden", "You may not.", applied=applied),
        Bare(403, applied=applied),
        Broken(200, applied=applied),
    ]
    for fault in faults:
        standin.add_fault(fault, times=1, after=len(faults) - 1 - faults.index(fault))
    html, bare, problem = (caller.batch(*members(name)) for name in ("ann", "bob", "eve"))
    assert (problem.status_code, problem.json()["title"]) == (403, "Forbidden")
    assert (bare.status_code, bare.content) == (403, b"")
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(audience) == (3 if applied else 0)


def test_json_may_be_cut_short_in_a_whole_answer(
    standin: Standin, audience: AudienceHandle, caller: Caller
) -> None:
    standin.add_fault(Truncate(0.5))
    answer = caller.batch(*members("ann"))
    assert answer.status_code == 200
    assert answer.content.startswith(b"{")
    assert not answer.content.endswith(b"}")
    assert len(audience) == 1


@pytest.mark.parametrize(
    ("fault", "effect"),
    [(Reset(), 0), (Reset(applied=True), 1), (Reset(applied=True, share=0.5), 1)],
)
def test_connections_are_reset_before_and_within_the_answer(
    standin: Standin,
    audience: AudienceHandle,
    caller: Caller,
    fault: Reset,
    effect: int,
) -> None:
    standin.add_fault(fault, times=1)
    with pytest.raises(httpx.ReadError):
        caller.batch(*members("ann"))
    assert len(audience) == effect
    assert caller.http.get(PING).status_code == 200
    assert [record.status for record in standin.account().calls()] == [0, 200]
    assert (standin.account().open, standin.account().high_water()) == (0, 1)


@pytest.mark.parametrize(("applied", "effect"), [(False, 0), (True, 1)])
def test_a_delay_comes_before_or_after_the_effect(
    standin: Standin,
    audience: AudienceHandle,
    caller: Caller,
    applied: bool,  # noqa: FBT001 - pytest hands it over by name
    effect: int,
) -> None:
    standin.account().configure(linger=False)
    standin.add_fault(Delay(5, applied=applied))
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(caller.list, json={"members": members("ann")}, timeout=0.1)
    assert len(audience) == effect


def test_an_answer_may_drip(standin: Standin, caller: Caller) -> None:
    standin.add_fault(Drip(seconds=0.02, size=8))
    started = time.monotonic()
    assert caller.http.get(PING).json() == {"health_status": "Everything's Chimpy!"}
    assert time.monotonic() - started >= 0.08
    assert standin.account().open == 0


def test_members_may_be_missing_from_an_answer(
    standin: Standin, audience: AudienceHandle, caller: Caller
) -> None:
    number = standin.add_fault(Swallow("^(ann|bob)@"))
    answer = caller.batch(*members("ann", "bob", "eve"))
    assert answer.json()["total_created"] == len(answer.json()["new_members"]) == 1
    assert len(audience) == 3, "they were worked on"
    standin.remove_fault(number)
    standin.add_fault(Swallow("^dan@", applied=False))
    assert caller.batch(*members("dan", "eve")).json()["total_updated"] == 1
    assert audience.member("dan@mail.org") is None
    assert caller.get("/merge-fields")["total_items"] == 4, "other calls are spared"


def test_a_poisoned_member_refuses_every_call_that_it_is_in(
    standin: Standin, audience: AudienceHandle, caller: Caller
) -> None:
    standin.add_fault(Poison("^bob@"))
    assert caller.batch(*members("ann", "bob")).status_code == 400
    assert caller.batch(*members("ann")).status_code == 200
    assert caller.http.post(caller.list, content=b"[]").status_code == 400
    assert audience.members().keys() == {"ann@mail.org"}


def test_an_account_may_be_under_review(standin: Standin, caller: Caller) -> None:
    standin.add_fault(UnderReview())
    answer = caller.http.get(PING)
    assert (answer.status_code, answer.json()["title"]) == (503, "ComplianceRelated")


def test_a_key_may_be_revoked_in_the_middle(standin: Standin, caller: Caller) -> None:
    standin.add_fault(RevokeKey(), nth=2)
    assert statuses(caller, 3) == [200, 401, 401]


def test_an_audience_a_field_and_a_tag_may_be_deleted_in_the_middle(
    standin: Standin, audience: AudienceHandle, caller: Caller
) -> None:
    tagged = [{**members("ann")[0], "merge_fields": {"FNAME": "Ann"}, "tags": ["eu", "loyal"]}]
    caller.batch(*tagged)
    standin.add_fault(DeleteTag("eu"), method="POST", times=1)
    standin.add_fault(DeleteMergeField("FNAME"), method="POST", times=1, after=1)
    standin.add_fault(DeleteAudience(), method="POST", times=1, after=2)
    assert caller.batch({**tagged[0], "tags": []}).json()["total_updated"] == 1
    assert audience.members()["ann@mail.org"].tags == ("loyal",)
    assert caller.batch(*tagged).json()["errors"][0]["field"] == "FNAME"
    assert caller.batch(*tagged).status_code == 404
    assert caller.http.get(caller.list).status_code == 404


def test_faults_add_up(standin: Standin, audience: AudienceHandle, caller: Caller) -> None:
    standin.add_fault(Delay(0.1))
    standin.add_fault(Bare(502, applied=True))
    started = time.monotonic()
    assert caller.batch(*members("ann")).status_code == 502
    assert time.monotonic() - started >= 0.1
    assert len(audience) == 1


def test_calls_over_the_limit_meet_no_fault(standin: Standin, caller: Caller) -> None:
    standin.account().configure(limit=0)
    number = standin.add_fault(Bare(500))
    assert caller.http.get(PING).status_code == 429
    assert standin.fault_hits(number) == 0
