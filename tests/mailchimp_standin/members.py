"""A member of an audience, and the rules about its status."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from .shapes import MergeValue, Status

Kept = Status | Literal["archived"]
Who = Literal["", "self", "admin"]
# texts are kept as one, joined: a quarter of the memory, and memory is most of a new member's cost
Values = str | tuple[MergeValue, ...]
JOINT = "\0"  # never within a text: such a call is refused as a whole


class Shape(msgspec.Struct):
    """Which merge fields a member has values for: shared by all members that have the same ones.

    A tag is None once its field was deleted. `texts`: all of them are known, and text.
    """

    tags: tuple[str | None, ...]
    texts: bool


def packed(shape: Shape, values: Iterable[MergeValue]) -> Values:
    kept = tuple(values)
    texts = [value for value in kept if isinstance(value, str)]
    return JOINT.join(texts) if shape.texts and len(texts) == len(kept) else kept


def unpacked(shape: Shape, values: Values) -> Sequence[MergeValue]:
    if isinstance(values, tuple):
        return values
    return values.split(JOINT) if shape.tags else ()


class Member(msgspec.Struct, gc=False):
    """A contact. Small, because there may be a million: no dictionaries, shared strings and sets.

    `by` tells who unsubscribed: the person, or an administrator (the API counts as one). `values`
    follows the tags of `shape`. `tags` holds ids of static segments. Times are seconds since 1970.
    """

    email: str
    status: Kept
    by: Who
    shape: Shape
    values: Values
    tags: frozenset[int]
    created: float
    changed: float

    @property
    def key(self) -> str:
        return self.email.lower()


def key_of(address: str) -> str:
    """An address' identity: stripped and lower-cased (Mailchimp's documents)."""
    return address.strip().lower()


def refuses(member: Member, status: str) -> bool:
    """May nobody but the person bring them back? Then this status is not to be had."""
    if status not in ("subscribed", "pending"):
        return False
    return member.status == "cleaned" or (member.status == "unsubscribed" and member.by == "self")


def compliance(address: str) -> str:
    """Mailchimp's wording for it (its documents, users' reports)."""
    return (
        f"{address} is in a compliance state due to unsubscribe, bounce, or compliance review "
        "and cannot be subscribed."
    )
