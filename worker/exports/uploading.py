"""One chunk: what its body is, and what became of each of its members by the answer."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from worker.errors import Unavailable

# msgspec tells odd text and deep nesting by Python's own errors
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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
    nothing: their fate is unknown, and they have to be asked for again.
    """

    created: int = 0
    updated: int = 0
    refused: Sequence[tuple[int, Refusal]] = ()
    missing: Sequence[int] = ()


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


def match(sent: Sequence[str], answer: Answer) -> Sorted:
    """Find each sent address in the answer; a refusal outweighs any other mention of it."""
    refusals = {_key(refusal.email): refusal for refusal in reversed(answer.refusals)}
    created = {_key(member.email) for member in answer.created_members()}
    updated = {_key(member.email) for member in answer.updated_members()} - created
    taken = (created | updated) - refusals.keys()
    keys = [_key(address) for address in sent]
    return Sorted(
        created=sum(key in taken and key in created for key in keys),
        updated=sum(key in taken and key in updated for key in keys),
        refused=[(index, refusals[key]) for index, key in enumerate(keys) if key in refusals],
        missing=[index for index, key in enumerate(keys) if key not in taken and key not in refusals],
    )


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


def _key(address: str) -> str:
    return address.strip().lower()


def _decode(members: Sequence[msgspec.Raw]) -> list[Member]:
    try:
        return _MEMBERS.decode(msgspec.json.encode(members))
    except UNREADABLE:
        raise Unavailable(
            "Mailchimp's answer lists members without a readable address: it is asked again."
        ) from None
