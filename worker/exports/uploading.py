"""One chunk: what its body is, and what became of each of its members by the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from worker.errors import Unavailable
from worker.exports.membership import identity

# msgspec tells odd text and deep nesting by Python's own errors
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# who is not written to, whoever put them there
OUT: Final = frozenset({"unsubscribed", "cleaned", "archived"})
# no code of a batch call says it; the wordings differ before and after this (users' reports)
_COMPLIANCE: Final = "compliance state"


class Refusal(msgspec.Struct, frozen=True):
    """Why one member was not taken; `field` is the merge field to blame, or empty."""

    email: str
    code: str
    message: str
    field: str

    def __repr__(self) -> str:
        # a representation ends in logs sooner or later, and addresses must not
        return f"Refusal(code={self.code!r}, field={self.field!r})"


class Member(msgspec.Struct, frozen=True):
    """What an answer says of one member: the address, and the subscription status it has now."""

    email: str = msgspec.field(name="email_address", default="")
    status: str = ""

    def __repr__(self) -> str:
        return f"Member(status={self.status!r})"


class Answer(msgspec.Struct, frozen=True):
    """What a batch call said. Members stay undecoded JSON: most answers only need to be counted.

    The totals are the answer's own claim, None where it makes none.
    """

    created: Sequence[msgspec.Raw] = ()
    updated: Sequence[msgspec.Raw] = ()
    refusals: Sequence[Refusal] = ()
    total_created: int | None = None
    total_updated: int | None = None
    total_refused: int | None = None

    def __repr__(self) -> str:
        counts = f"created={len(self.created)}, updated={len(self.updated)}, refusals={len(self.refusals)}"
        return f"Answer({counts})"

    def created_members(self) -> list[Member]:
        """Decode the members that are new in the audience.

        Raises:
            Unavailable: when a member is not what an answer should hold.
        """
        return _decode(self.created)

    def updated_members(self) -> list[Member]:
        """Decode the members that were in the audience before; raises as `created_members` does."""
        return _decode(self.updated)

    def accounts_for(self, count: int) -> bool:
        """Tell whether all of `count` members were taken, by the totals and by the members listed."""
        listed = (len(self.created), len(self.updated), len(self.refusals))
        claimed = (self.total_created, self.total_updated, self.total_refused)
        return listed == claimed and not self.refusals and sum(listed) == count


class Sorted(msgspec.Struct, frozen=True):
    """What became of the members sent; numbers and indices add up to exactly those.

    Indices are 0-based positions in the chunk. `missing` are members of which the answer says
    nothing: their fate is unknown, and they have to be asked for again. `suppressed` are those who
    said no, bounced or were archived: Mailchimp refused them for it, or took what was sent (None)
    and left them out all the same.
    """

    created: int = 0
    updated: int = 0
    refused: Sequence[tuple[int, Refusal]] = ()
    missing: Sequence[int] = ()
    suppressed: Sequence[tuple[int, Refusal | None]] = ()


class _Body(msgspec.Struct):
    members: list[Member]


_BODY: Final = msgspec.json.Decoder(_Body)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_MEMBERS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS: Final = msgspec.json.Decoder(list[Member])


def sort_answers(count: int, sent: Callable[[], Sequence[str]], answer: Answer) -> Sorted:
    """Sort the outcomes of a chunk of `count` members whose addresses `sent()` gives, in order.

    An answer that accounts for everybody is believed without decoding either side; any other is
    matched address by address, since refusals carry no index.

    Raises:
        Unavailable: when the answer has to be matched and can't be read.
    """
    if answer.accounts_for(count):
        return Sorted(created=len(answer.created), updated=len(answer.updated))
    return match(sent(), answer)


def sort_with_statuses(
    count: int, sent: Callable[[], Sequence[str]], answer: Answer, after: Mapping[str, str]
) -> Sorted:
    """Sort the outcomes as `sort_answers` does, and tell who is suppressed; `after` is `statuses(answer)`.

    Raises:
        Unavailable: when the answer has to be matched and can't be read.
    """
    out = still_out(after)
    if not out and len(after) == count and answer.accounts_for(count):
        return Sorted(created=len(answer.created), updated=len(answer.updated))
    return match(sent(), answer, out)


def match(sent: Sequence[str], answer: Answer, out: set[str] | None = None) -> Sorted:
    """Find each sent address in the answer; a refusal outweighs any other mention of it.

    With `out`, the identities that the answer shows to be out, these are suppressed, and so is who is
    refused for compliance.
    """
    refusals = {identity(refusal.email): refusal for refusal in reversed(answer.refusals)}
    held = {} if out is None else _held(out, refusals)
    created = {identity(member.email) for member in answer.created_members()}
    updated = {identity(member.email) for member in answer.updated_members()} - created
    settled = refusals.keys() | held.keys()
    told = created | updated | settled
    keys = [identity(address) for address in sent]
    return Sorted(
        created=sum(key in created and key not in settled for key in keys),
        updated=sum(key in updated and key not in settled for key in keys),
        refused=[(at, refusals[key]) for at, key in enumerate(keys) if key in refusals and key not in held],
        missing=[at for at, key in enumerate(keys) if key not in told],
        suppressed=tuple((at, held[key]) for at, key in enumerate(keys) if key in held),
    )


def _held(out: set[str], refusals: Mapping[str, Refusal]) -> dict[str, Refusal | None]:
    compliance = {key: refusal for key, refusal in refusals.items() if is_compliance(refusal)}
    return dict.fromkeys(out - refusals.keys()) | compliance


def is_compliance(refusal: Refusal) -> bool:
    """Tell whether Mailchimp refused a member because they said no, bounced or complained."""
    return _COMPLIANCE in f"{refusal.code} {refusal.message}".lower()


def statuses(answer: Answer) -> dict[str, str]:
    """Tell the status that every member listed in an answer has now, by identity.

    Raises:
        Unavailable: when it can't be told of all of them, for then nobody knows what the call did.
    """
    listed = _decode([*answer.created, *answer.updated])
    found = {identity(member.email): member.status for member in listed}
    if "" in found or "" in found.values():
        raise Unavailable("Mailchimp's answer lists members without their status: it is asked again.")
    return found


def still_out(after: Mapping[str, str]) -> set[str]:
    """List who is out although the call was taken: they are suppressed, not updated."""
    return {address for address, status in after.items() if status in OUT}


def harmed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """List those whose status is another than the one known before; addresses are identities.

    Who has meanwhile left is not among them: people do so on their own, and we never ask for it.
    """
    return [
        address
        for address, status in after.items()
        if status not in OUT and before.get(address, status) != status
    ]


def addresses_of(body: bytes) -> list[str]:
    """List the addresses of a chunk's body, in its order."""
    return [member.email for member in _BODY.decode(body).members]


def narrow(body: bytes, keep: Sequence[int]) -> bytes:
    """Make the body of a smaller call: only the members at the indices `keep`, all else untouched.

    Raises:
        IndexError: when the body has no such member.
    """
    fields = _FIELDS.decode(body)
    members = _RAW_MEMBERS.decode(fields["members"])
    kept = msgspec.Raw(msgspec.json.encode([members[index] for index in keep]))
    return msgspec.json.encode(fields | {"members": kept})


def halves(members: Sequence[int]) -> tuple[list[int], list[int]]:
    """Cut members in two, in order; only a single member leaves the second half empty."""
    middle = (len(members) + 1) // 2
    return list(members[:middle]), list(members[middle:])


def _decode(members: Sequence[msgspec.Raw]) -> list[Member]:
    try:
        return _MEMBERS.decode(msgspec.json.encode(members))
    except UNREADABLE:
        raise Unavailable(
            "Mailchimp's answer lists members without a readable address: it is asked again."
        ) from None
