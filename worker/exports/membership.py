"""One member of an audience, as a look-up shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class MemberState(msgspec.Struct, frozen=True):
    """What the audience holds of a member. `merge_fields` are Mailchimp's own JSON values by tag.

    `status` is `subscribed`, `unsubscribed`, `cleaned`, `pending`, `transactional` or `archived`;
    `tags` are names, other people's among them.
    """

    email: str
    status: str
    tags: Sequence[str] = ()
    merge_fields: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        # a representation ends in logs sooner or later, and addresses must not
        return f"MemberState(status={self.status!r}, tags={len(self.tags)})"


def identity(address: str) -> str:
    """Give what makes two addresses the same member: stripped and lower-cased (Mailchimp's documents)."""
    return address.strip().lower()
