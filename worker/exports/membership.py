"""One member of an audience, as a look-up shows it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec


class MemberState(msgspec.Struct, frozen=True):
    """What the audience holds of a member. `merge_fields` are Mailchimp's own JSON values by tag.

    `status` is `subscribed`, `unsubscribed`, `cleaned`, `pending`, `transactional` or `archived`;
    `tags` are names, other people's among them. `last_changed` is a time in ISO 8601, or ''.
    """

    email: str
    status: str
    tags: Sequence[str] = ()
    merge_fields: Mapping[str, Any] = {}
    last_changed: str = ""

    def changed_since(self, moment: datetime) -> bool:
        """Whether the member has changed since then, by whole seconds; yes if nobody knows."""
        try:
            return datetime.fromisoformat(self.last_changed) >= moment.replace(microsecond=0)
        except (ValueError, TypeError):
            return True

    def __repr__(self) -> str:
        # a representation ends in logs sooner or later, and addresses must not
        return f"MemberState(status={self.status!r}, tags={len(self.tags)})"


def identity(address: str) -> str:
    """Give what makes two addresses the same member: stripped and lower-cased (Mailchimp's documents)."""
    return address.strip().lower()
