"""What a run would do, as a dry run tells it."""

import msgspec

from worker.exports.runs import Lint


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person: the address, `SEGMENT:ROW` where there is one, and why; the code or the tags."""

    email: str
    row: str = ""
    why: str = ""


class Group(msgspec.Struct, frozen=True):
    """How many people something would happen to, and the first of them."""

    count: int
    examples: list[Example] = []


class NewField(msgspec.Struct, frozen=True):
    """A merge field that the audience lacks and the run would create."""

    tag: str
    type: str


class Preview(msgspec.Struct, frozen=True):
    """What a run would do.

    `would` has a group for each fate. Each profile read is in one of these: `new` (sent, not accepted
    before), `changed` and `again` (sent, accepted before; `again` because everything is sent), `unchanged`,
    `suppressed`, `rejected`, `invalid`, `duplicate`. Beside these `moved` are those of `new` whose member
    gets the new address, and `untagged` and `archived` are people who have left. `first` says that nothing is
    remembered of an earlier run, `guard` why the run would be held, None if it would not.
    """

    export: str
    audience_id: str
    first: bool
    full: bool
    read: int
    would: dict[str, Group]
    new_merge_fields: list[NewField]
    lint: dict[str, Lint]
    guard: str | None
