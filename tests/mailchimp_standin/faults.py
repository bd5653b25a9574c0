"""Faults that a test asks for: rules that match calls, and what becomes of the calls they match."""

import random
import re
from typing import TypeAlias

import msgspec

from .problems import FieldError


class Fault(msgspec.Struct, forbid_unknown_fields=True, tag_field="do"):
    """What becomes of a call."""


class Refuse(Fault, tag="refuse"):
    """A problem document. `applied`: the call had its effect all the same."""

    status: int
    title: str = "Internal Server Error"
    detail: str = "An unexpected internal error has occurred."
    errors: tuple[FieldError, ...] = ()
    applied: bool = False


class Bare(Fault, tag="bare"):
    """A status without a body (403 and 429 of high volume, 502 of a proxy)."""

    status: int
    applied: bool = False


class Broken(Fault, tag="broken"):
    """HTML instead of JSON, with an error's status or with 200."""

    status: int = 502
    body: str = "<html><body><h1>Bad Gateway</h1></body></html>"
    applied: bool = False


class Truncate(Fault, tag="truncate"):
    """A whole HTTP answer with this share of its JSON."""

    share: float = 0.5


class Reset(Fault, tag="reset"):
    """The connection is reset. Without `applied` the call has no effect, and no answer.

    With `share`, that much of the answer is sent first.
    """

    applied: bool = False
    share: float = 0.0


class Delay(Fault, tag="delay"):
    """More latency, in seconds; the effect comes before it with `applied`, else after it."""

    seconds: float
    applied: bool = False


class Drip(Fault, tag="drip"):
    """The answer comes `size` bytes at a time, with `seconds` in between."""

    seconds: float = 0.05
    size: int = 1


class Swallow(Fault, tag="swallow"):
    """Members whose address matches, or this share of them, are missing from a batch's answer."""

    pattern: str = ""
    share: float = 1.0
    applied: bool = True


class Poison(Fault, tag="poison"):
    """400 for the whole call if the address of any of its members matches."""

    pattern: str


class UnderReview(Fault, tag="under_review"):
    """503 ComplianceRelated: the account is under review."""


class RevokeKey(Fault, tag="revoke_key"):
    """The caller's key is revoked: 401, and for every later call."""


class DeleteAudience(Fault, tag="delete_audience"):
    """The audience of the call is deleted before the call is worked on."""


class DeleteMergeField(Fault, tag="delete_merge_field"):
    field: str


class DeleteTag(Fault, tag="delete_tag"):
    name: str


Action: TypeAlias = (
    Refuse
    | Bare
    | Broken
    | Truncate
    | Reset
    | Delay
    | Drip
    | Swallow
    | Poison
    | UnderReview
    | RevokeKey
    | DeleteAudience
    | DeleteMergeField
    | DeleteTag
)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When to do it.

    `method`, `account` (its key) and `audience` match exactly, `path` is a regular expression searched
    for in the path after `/3.0`. Of the calls that match, the first `after` are spared, `nth` (from 1)
    picks a single one, `probability` is drawn from `seed`, and after `times` it is over.
    """

    action: Action
    method: str | None = None
    path: str = ""
    account: str | None = None
    audience: str | None = None
    after: int = 0
    nth: int | None = None
    probability: float = 1.0
    seed: int = 0
    times: int | None = None


class Armed:
    """A rule with its counts."""

    def __init__(self, number: int, rule: Rule) -> None:
        self.number = number
        self.rule = rule
        self.random = random.Random(rule.seed)
        self.matched = 0
        self.fired = 0
        self._path = re.compile(rule.path).search

    def fires(self, method: str, path: str, account: str, audience: str) -> bool:
        rule = self.rule
        if rule.method not in (None, method) or rule.account not in (None, account):
            return False
        if rule.audience not in (None, audience) or not self._path(path):
            return False
        self.matched += 1
        if not self._due():
            return False
        self.fired += 1
        return True

    def _due(self) -> bool:
        rule = self.rule
        if self.matched <= rule.after or rule.nth not in (None, self.matched):
            return False
        if rule.times is not None and self.fired >= rule.times:
            return False
        return rule.probability >= 1 or self.random.random() < rule.probability


class Faults:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self.armed: dict[int, Armed] = {}
        self._last = 0

    def add(self, rule: Rule) -> int:
        self._last += 1
        self.armed[self._last] = Armed(self._last, rule)
        return self._last

    def firing(self, method: str, path: str, account: str, audience: str) -> list[Armed]:
        return [armed for armed in self.armed.values() if armed.fires(method, path, account, audience)]
