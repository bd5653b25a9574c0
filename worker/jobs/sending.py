"""Sends what a chunk holds, by its kind, and says what became of its members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from worker.errors import ChunkRefused
from worker.exports.canary import Asked, Finding, Probe, judge
from worker.exports.chunks import Kind, StagedChunk
from worker.exports.membership import MemberState, identity
from worker.exports.statuses import NAMES
from worker.exports.uploading import Sorted, addresses_of, harmed, sort_with_statuses, statuses
from worker.mailchimp.client import MailchimpClient

_UNCONFIRMED: Final = "pending"
_ADDRESSES: Final = msgspec.json.Decoder(list[str])
_PAIRS: Final = msgspec.json.Decoder(list[tuple[str, str]])


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the members of a chunk, beside it the people who count as removed or resubscribed."""

    members: Sorted
    removed: int = 0
    resubscribed: int = 0
    stayed: int = 0
    calls: int = 1


def send(client: MailchimpClient, audience_id: str, chunk: StagedChunk, *, skip_required: bool) -> Sent:
    """Makes the calls of a chunk.

    Raises:
        RetryLater, ChunkRefused, StopRun: as the client does.
    """
    match chunk.kind:
        case Kind.UPSERT:
            return _upsert(client, audience_id, chunk, skip_required=skip_required)
        case Kind.TAG if chunk.count:
            client.tag_members(audience_id, int(chunk.target), add=_ADDRESSES.decode(chunk.body))
        case Kind.UNTAG:
            client.tag_members(audience_id, int(chunk.target), remove=_ADDRESSES.decode(chunk.body))
        case Kind.ARCHIVE:
            for address in _ADDRESSES.decode(chunk.body):
                client.archive_member(audience_id, address)
        case Kind.MOVE:
            pairs = _PAIRS.decode(chunk.body)
            return Sent(Sorted(), stayed=sum(not _move(client, audience_id, *pair) for pair in pairs))
    return Sent(Sorted(), removed=chunk.people)


def look(client: MailchimpClient, audience_id: str, chunk: StagedChunk) -> dict[str, MemberState | None]:
    """How the members of a small chunk are now, by address.

    Raises:
        RetryLater, StopRun: as the client does; somebody who can't be looked up is not taken for unknown.
    """
    return {address: client.member(audience_id, address) for address in addresses_of(chunk.body)}


def compare(
    chunk: StagedChunk,
    before: Mapping[str, MemberState | None],
    after: Mapping[str, MemberState | None],
    refused: Sequence[int],
) -> Finding:
    """What a small chunk did to its members."""
    asked = {each.email_address: each for each in _MEMBERS.decode(chunk.body).members}
    return judge(
        Probe(
            before[address],
            Asked(member.status_if_new, member.status, member.tags),
            after[address],
            refused=at in refused,
        )
        for at, (address, member) in enumerate(asked.items())
    )


class _Member(msgspec.Struct):
    email_address: str
    status_if_new: str | None = None
    status: str | None = None
    tags: Sequence[str] = ()


class _Members(msgspec.Struct):
    members: list[_Member]


_MEMBERS: Final = msgspec.json.Decoder(_Members)


def _move(client: MailchimpClient, audience_id: str, old: str, new: str) -> bool:
    """Moves a member to a new address; False if Mailchimp does not let them."""
    try:
        return client.update_member(audience_id, old, new) or client.member(audience_id, new) is not None
    except ChunkRefused:
        return False


def _upsert(client: MailchimpClient, audience_id: str, chunk: StagedChunk, *, skip_required: bool) -> Sent:
    answer = client.upsert(audience_id, chunk.body, skip_merge_validation=skip_required)
    after = statuses(answer)
    members = sort_with_statuses(chunk.count, lambda: addresses_of(chunk.body), answer, after)
    return Sent(members, resubscribed=len(harmed(_known(chunk), after)) if chunk.known else 0)


def _known(chunk: StagedChunk) -> dict[str, str]:
    """The statuses that members were known to have when the chunk was planned, by identity.

    Those who had yet to confirm are left out: they do so on their own, at any moment.
    """
    pairs = zip(addresses_of(chunk.body), chunk.known, strict=True)
    known = {identity(address): NAMES[code] for address, code in pairs if code in NAMES}
    return {address: status for address, status in known.items() if status != _UNCONFIRMED}
