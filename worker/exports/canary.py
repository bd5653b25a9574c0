"""The canary: what a first small call did to its members, and what that tells of the audience.

Mailchimp's documents disagree on what the batch call does with `status_if_new`, `tags` and a missing
`status`, so the members of the first call are looked up before it and after it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from worker.exports.membership import MemberState

# how far Mailchimp goes with somebody: not at all, to a letter that asks, to every campaign
_REACH: Final = {
    "": 0,
    "archived": 0,
    "cleaned": 0,
    "unsubscribed": 0,
    "transactional": 0,
    "pending": 1,
    "subscribed": 2,
}


class Asked(msgspec.Struct, frozen=True):
    """What the call said of a member; None was not said at all."""

    status_if_new: str | None = None
    status: str | None = None
    tags: Sequence[str] = ()

    @property
    def status_when_new(self) -> str:
        """The status that somebody new was to have."""
        return self.status or self.status_if_new or ""


class Probe(msgspec.Struct, frozen=True):
    """One member of the canary; `before` and `after` are None where nobody of that address was found.

    `refused` says that the answer refused this member: what the call left undone shows nothing then.
    """

    before: MemberState | None
    asked: Asked
    after: MemberState | None
    refused: bool = False


class Finding(msgspec.Struct, frozen=True):
    """What the canary showed; None where no member of it could show it.

    `keeps_status` is about members who were there and were sent without a `status`. Each of `harms` is
    a short code without an address; with any of them the rest is not to be sent in this way:
    `status_changed:WAS->IS` and `vanished:WAS` of a member who was there, `tags_lost` of one who had other
    people's tags, `status_exceeded:ASKED->IS` of a new one who will get more mail than was asked for.
    """

    knows_status_if_new: bool | None = None
    keeps_status: bool | None = None
    knows_tags: bool | None = None
    harms: tuple[str, ...] = ()


# a call without any `status` that is refused as a whole for it shows this, and did nothing
WANTS_STATUS: Final = Finding(knows_status_if_new=False)


def judge(probes: Iterable[Probe]) -> Finding:
    """Tell what the members of the canary show together: one that says no outweighs all that say yes."""
    all_of_them = list(probes)
    return Finding(
        knows_status_if_new=_agreed(map(_knows_status_if_new, all_of_them)),
        keeps_status=_agreed(map(_keeps_status, all_of_them)),
        knows_tags=_agreed(map(_knows_tags, all_of_them)),
        harms=tuple(harm for probe in all_of_them for harm in _harms(probe)),
    )


def _agreed(votes: Iterable[bool | None]) -> bool | None:
    cast = [vote for vote in votes if vote is not None]
    return all(cast) if cast else None


def _knows_status_if_new(probe: Probe) -> bool | None:
    asked, after = probe.asked, probe.after
    if asked.status_if_new is None or asked.status is not None or after is None:
        return None
    if probe.before is None:
        return after.status == asked.status_if_new
    return None if after.status == probe.before.status else False


def _keeps_status(probe: Probe) -> bool | None:
    before, asked, after = probe.before, probe.asked, probe.after
    if before is None or after is None or asked.status is not None:
        return None
    if after.status != before.status:
        return False
    # a status that is the one for new members shows nothing when it stays
    return None if probe.refused or before.status == asked.status_if_new else True


def _knows_tags(probe: Probe) -> bool | None:
    had = set(probe.before.tags) if probe.before else set()
    wanted = set(probe.asked.tags) - had
    if not wanted or probe.after is None or probe.refused:
        return None
    return wanted <= set(probe.after.tags)


def _harms(probe: Probe) -> Iterable[str]:
    before, after = probe.before, probe.after
    if before is None:
        yield from _excess(probe.asked.status_when_new, after)
    elif after is None:
        yield f"vanished:{_word(before.status)}"
    else:
        if before.status != after.status:
            yield f"status_changed:{_word(before.status)}->{_word(after.status)}"
        if not set(before.tags) <= set(after.tags):
            yield "tags_lost"


def _excess(asked: str, after: MemberState | None) -> Iterable[str]:
    # a status that we do not know may mean anything
    if after is not None and _REACH.get(after.status, 2) > _REACH.get(asked, 0):
        yield f"status_exceeded:{_word(asked)}->{_word(after.status)}"


def _word(status: str) -> str:
    """Name a status of Mailchimp's; nothing else that it may say is repeated."""
    return status if status and status in _REACH else "unknown"
