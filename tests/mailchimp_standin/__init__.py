"""A stand-in for Mailchimp's Marketing API: a real HTTP server on 127.0.0.1 with a memory.

It plays the part of the API that a bulk exporter meets, keeps what it was told, and can be asked
afterwards what it holds and how many calls were ever open at once. Nothing here was tried against
a live account. Where its behaviour comes from:

From Mailchimp's own documents
    Paths, parameters and bodies; Basic and Bearer authentication; 10 simultaneous connections and a
    429 for the next; a 429 or 403 without a body at high volume; problem documents; 500 members a
    call; a 200 with `errors` for refused members; `status_if_new` and `tags` of batch members (the
    newest specification only); pages of at most 1,000; `since_last_changed` exclusive; a tag is a
    static segment; an empty `static_segment` in a PATCH empties the tag; who unsubscribed
    themselves or bounced can't be subscribed; the permanently deleted can't come back.

From users' reports and recorded answers
    400 for the whole call when one member has a bad shape, with its wording; the wordings of the
    per-member refusals; `status` with `update_existing` re-subscribing, silently, who was
    unsubscribed by an administrator, archived or pending; archived addresses answered as new
    members; tags of a PUT applied on creation only; 405 for archiving a bounced, pending or archived
    member.

Assumptions of ours, chosen to be the ones that an exporter must be ready for
    The "classic" dialect ignores `status_if_new` and `tags`. With `status_if_new` alone, the newest
    dialect leaves unsubscribed, pending and transactional members' status alone, refuses cleaned
    ones, and takes archived ones out of the archive with that status. Merge fields that the audience
    doesn't have, and text over 255 bytes, are refused for that member (Mailchimp's own way with them
    is not documented). Refused calls count as open, too. A call whose client went away is worked on,
    and counts as open, until its latency has passed (`linger`). `null` as a merge value, keys and
    query parameters that no specification has: 400, so that a mistake is heard. Required merge
    fields may come from what the member has already. Numbers sent for a text field are kept as text,
    numeric text for a number field as a number. A member list without `status` leaves out the
    archived. Archived members keep their merge fields and tags. With `skip_duplicate_check` the
    later appearances of an address are ignored and not answered for. `sync_tags` with a member
    without `tags` takes all of them off.
"""

from .controls import AccountHandle, AudienceHandle, Controls
from .faults import (
    Bare,
    Broken,
    Delay,
    DeleteAudience,
    DeleteMergeField,
    DeleteTag,
    Drip,
    Poison,
    Refuse,
    Reset,
    RevokeKey,
    Rule,
    Swallow,
    Truncate,
    UnderReview,
)
from .process import StandinProcess
from .reports import AccountStatistics, CallRecord, Digest, MemberView, Statistics, StatusChange, digest
from .server import Standin
from .validation import MergeField
from .world import API_KEY, LIST_ID

__all__ = [
    "API_KEY",
    "LIST_ID",
    "AccountHandle",
    "AccountStatistics",
    "AudienceHandle",
    "Bare",
    "Broken",
    "CallRecord",
    "Controls",
    "Delay",
    "DeleteAudience",
    "DeleteMergeField",
    "DeleteTag",
    "Digest",
    "Drip",
    "MemberView",
    "MergeField",
    "Poison",
    "Refuse",
    "Reset",
    "RevokeKey",
    "Rule",
    "Standin",
    "StandinProcess",
    "Statistics",
    "StatusChange",
    "Swallow",
    "Truncate",
    "UnderReview",
    "digest",
]
