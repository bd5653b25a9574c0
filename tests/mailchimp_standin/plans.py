"""What the faults that fire make of one call."""

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from .faults import (
    Armed,
    Bare,
    Broken,
    Delay,
    DeleteAudience,
    DeleteMergeField,
    DeleteTag,
    Drip,
    Fault,
    Poison,
    Refuse,
    Reset,
    RevokeKey,
    Swallow,
    Truncate,
    UnderReview,
)
from .problems import Answer, Problem, bad_shape, encode, unauthorized, under_review
from .routing import Call

Kept = Callable[[str], bool]


class Plan(msgspec.Struct):
    """How this call goes.

    `instead` is answered without any effect, `cover` in place of the true answer. `delay` and `hold`
    are seconds before and after the effect, `share` the part of the body that is sent.
    """

    instead: Answer | None = None
    cover: Answer | None = None
    delay: float = 0.0
    hold: float = 0.0
    share: float | None = None
    reset: Reset | None = None
    drip: Drip | None = None
    poisons: list[str] = []
    # which members are worked on, and which are answered for
    work: Kept | None = None
    tell: Kept | None = None

    @property
    def plain(self) -> bool:
        return self.share is None and self.reset is None and self.drip is None


def plan(firing: Iterable[Armed], call: Call) -> Plan:
    """Put the faults together, and do at once to the account or audience what they say."""
    result = Plan()
    for armed in firing:
        action = armed.rule.action
        _PLANNERS[type(action)](result, action, armed, call)
    return result


def carry_out(result: Plan, call: Call, answer: Callable[[Call], Answer]) -> Answer:
    """The answer to the call, with its effect where the plan allows one."""
    if result.instead is not None:
        return result.instead
    if result.reset is not None and not result.reset.applied:
        return Answer(0)
    try:
        _check_poison(result, call)
        if result.work is not None:
            call.body = _body_with(call.body, result.work)
        given = answer(call)
    except Problem as problem:
        given = problem.answer()
    if result.tell is not None:
        given = Answer(given.status, _answer_with(given.body, result.tell), given.content_type)
    return given if result.cover is None else result.cover


def _instead(result: Plan, answer: Answer, *, applied: bool) -> None:
    if applied:
        result.cover = answer
    else:
        result.instead = answer


def _refuse(result: Plan, fault: Any, *_: object) -> None:
    problem = Problem(fault.status, fault.title, fault.detail, fault.errors)
    _instead(result, problem.answer(), applied=fault.applied)


def _bare(result: Plan, fault: Any, *_: object) -> None:
    _instead(result, Answer(fault.status, b"", ""), applied=fault.applied)


def _broken(result: Plan, fault: Any, *_: object) -> None:
    answer = Answer(fault.status, fault.body.encode(), "text/html; charset=utf-8")
    _instead(result, answer, applied=fault.applied)


def _truncate(result: Plan, fault: Any, *_: object) -> None:
    result.share = fault.share


def _reset(result: Plan, fault: Any, *_: object) -> None:
    result.reset = fault


def _delay(result: Plan, fault: Any, *_: object) -> None:
    if fault.applied:
        result.hold += fault.seconds
    else:
        result.delay += fault.seconds


def _drip(result: Plan, fault: Any, *_: object) -> None:
    result.drip = fault


def _swallow(result: Plan, fault: Any, armed: Armed, _: Call) -> None:
    kept = _spared(fault, armed.random)
    if fault.applied:
        result.tell = kept
    else:
        result.work = kept


def _spared(fault: Swallow, chance: random.Random) -> Kept:
    search = re.compile(fault.pattern).search
    return lambda address: not (search(address) and chance.random() < fault.share)


def _poison(result: Plan, fault: Any, *_: object) -> None:
    result.poisons = [*result.poisons, fault.pattern]


def _under_review(result: Plan, *_: object) -> None:
    result.instead = under_review().answer()


def _revoke(result: Plan, _: Any, __: Armed, call: Call) -> None:
    call.account.revoked = True
    result.instead = unauthorized().answer()


def _delete_audience(_: Plan, __: Any, ___: Armed, call: Call) -> None:
    call.world.audiences.pop(call.params.get("list_id", ""), None)


def _delete_field(_: Plan, fault: Any, __: Armed, call: Call) -> None:
    audience = call.world.audiences.get(call.params.get("list_id", ""))
    if audience is not None and fault.field in audience.fields:
        audience.delete_field(fault.field)


def _delete_tag(_: Plan, fault: Any, __: Armed, call: Call) -> None:
    audience = call.world.audiences.get(call.params.get("list_id", ""))
    segment = audience.tags.named(fault.name) if audience is not None else None
    if audience is not None and segment is not None:
        audience.tags.delete(segment)
        audience.version += 1


_PLANNERS: dict[type[Fault], Callable[[Plan, Any, Armed, Call], None]] = {
    Refuse: _refuse,
    Bare: _bare,
    Broken: _broken,
    Truncate: _truncate,
    Reset: _reset,
    Delay: _delay,
    Drip: _drip,
    Swallow: _swallow,
    Poison: _poison,
    UnderReview: _under_review,
    RevokeKey: _revoke,
    DeleteAudience: _delete_audience,
    DeleteMergeField: _delete_field,
    DeleteTag: _delete_tag,
}


def _check_poison(result: Plan, call: Call) -> None:
    for pattern in result.poisons:
        if any(re.search(pattern, address) for address in _addresses(call.body)):
            raise bad_shape("", "Schema describes object.")


def _addresses(body: bytes) -> list[str]:
    return [member["email_address"] for member in _document(body).get("members", [])]


def _body_with(body: bytes, kept: Kept) -> bytes:
    document = _document(body)
    if "members" not in document:
        return body
    document["members"] = [member for member in document["members"] if kept(member["email_address"])]
    return encode(document)


def _answer_with(body: bytes, kept: Kept) -> bytes:
    document = _document(body)
    counts = {"new_members": "total_created", "updated_members": "total_updated", "errors": "error_count"}
    if not document.keys() >= counts.keys():
        return body
    for name, count in counts.items():
        document[name] = [member for member in document[name] if kept(member["email_address"])]
        document[count] = len(document[name])
    return encode(document)


def _document(body: bytes) -> dict[str, Any]:
    """The object in a body; what isn't one is left for others to complain about."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
