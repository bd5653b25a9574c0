"""Documents as the API answers them, and the `fields` that narrow them."""

# the interpreter's own: half the price of OpenSSL's for a few bytes, and no security is meant
from _md5 import md5  # type: ignore[import-not-found] # it has no stubs
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from .audience import Audience
from .members import Member
from .shapes import MergeValue
from .tags import Segment, TagView
from .validation import MergeField

_REASONS = {"self": "N/A (Unsubscribed by the contact)", "admin": "N/A (Unsubscribed by admin)", "": ""}
_NOWHERE = msgspec.Raw(b'{"latitude":0,"longitude":0,"gmtoff":0,"dstoff":0,"country_code":""}')
_SILENT = msgspec.Raw(b'{"avg_open_rate":0,"avg_click_rate":0}')


class BriefMember(msgspec.Struct, gc=False):
    """A member when answers are "brief": enough to sort an answer, cheap in a benchmark."""

    id: str
    email_address: str
    status: str


class FullMember(msgspec.Struct, gc=False, kw_only=True):
    """A member as Mailchimp's specification has it, without its links."""

    id: str
    email_address: str
    unique_email_id: str
    contact_id: str
    full_name: str
    web_id: int
    email_type: str = "html"
    status: str
    unsubscribe_reason: str
    merge_fields: dict[str, MergeValue]
    stats: msgspec.Raw = _SILENT
    ip_signup: str = ""
    timestamp_signup: str = ""
    ip_opt: str = ""
    timestamp_opt: str
    member_rating: int = 2
    last_changed: str
    language: str = ""
    vip: bool = False
    email_client: str = ""
    location: msgspec.Raw = _NOWHERE
    source: str = "API - Generic"
    tags_count: int
    tags: tuple[TagView, ...]
    list_id: str


@lru_cache(maxsize=4096)
def moment(seconds: float) -> str:
    """ISO 8601 in whole seconds, as Mailchimp has it."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def hash_of(key: str) -> str:
    """The MD5 of a lower-cased address."""
    return str(md5(key.encode()).hexdigest())


def subscriber_hash(member: Member) -> str:
    return hash_of(member.email.lower())


def brief(_: Audience, member: Member) -> BriefMember:
    email = member.email
    return BriefMember(md5(email.lower().encode()).hexdigest(), email, member.status)


def full(audience: Audience, member: Member) -> FullMember:
    digest = subscriber_hash(member)
    fields = audience.merge_fields(member, blanks=True)
    tags = audience.tags.shown(member.tags)
    return FullMember(
        id=digest,
        email_address=member.email,
        unique_email_id=digest[:10],
        contact_id=digest[::-1],
        full_name=f"{fields.get('FNAME', '')} {fields.get('LNAME', '')}".strip(),
        web_id=int(digest[:7], 16),
        status=member.status,
        unsubscribe_reason=_REASONS[member.by],
        merge_fields=fields,
        timestamp_opt=moment(member.created),
        last_changed=moment(member.changed),
        tags_count=len(tags),
        tags=tags,
        list_id=audience.id,
    )


def merge_field(audience: Audience, field: MergeField) -> dict[str, Any]:
    return {
        "merge_id": audience.merge_ids[field.tag],
        "tag": field.tag,
        "name": field.name or field.tag,
        "type": field.type,
        "required": field.required,
        "default_value": "",
        "public": False,
        "display_order": audience.merge_ids[field.tag],
        "options": {"choices": field.choices} if field.choices else {},
        "help_text": "",
        "list_id": audience.id,
    }


def segment(audience: Audience, found: Segment) -> dict[str, Any]:
    """`member_count` counts active subscribers only (Mailchimp's documents)."""
    return {
        "id": found.id,
        "name": found.name,
        "member_count": sum(member.status == "subscribed" for member in audience.tagged(found.id)),
        "type": "static",
        "created_at": moment(found.created),
        "updated_at": moment(found.updated),
        "list_id": audience.id,
    }


def audience_document(audience: Audience) -> dict[str, Any]:
    counts = audience.counts()
    return {
        "id": audience.id,
        "web_id": int.from_bytes(audience.id.encode()[:3]),
        "name": audience.name,
        "double_optin": audience.double_optin,
        "date_created": moment(audience.created),
        "stats": {
            "member_count": counts["subscribed"],
            "total_contacts": sum(counts.values()),
            "unsubscribe_count": counts["unsubscribed"],
            "cleaned_count": counts["cleaned"],
            "merge_field_count": len(audience.fields),
        },
    }


Tree = dict[str, Any]


def narrowed(document: object, query: Mapping[str, str]) -> object:
    """Apply `fields` and `exclude_fields`, dotted paths included."""
    if wanted := query.get("fields"):
        return _keep(document, _tree(wanted))
    if unwanted := query.get("exclude_fields"):
        return _drop(document, _tree(unwanted))
    return document


def _tree(paths: str) -> Tree:
    root: Tree = {}
    for path in paths.split(","):
        node = root
        for step in path.strip().split("."):
            node = node.setdefault(step, {})
    return root


def _keep(thing: Any, tree: Tree) -> Any:
    if isinstance(thing, list):
        return [_keep(item, tree) for item in thing]
    items = _items(thing) if tree else None
    if items is None:
        return thing
    return {name: _keep(items[name], branch) for name, branch in tree.items() if name in items}


def _drop(thing: Any, tree: Tree) -> Any:
    if isinstance(thing, list):
        return [_drop(item, tree) for item in thing]
    items = _items(thing)
    if items is None:
        return thing
    # a leaf of the tree takes the whole value out, a branch goes deeper
    return {n: _drop(v, tree[n]) if tree.get(n) else v for n, v in items.items() if tree.get(n) != {}}


def _items(thing: Any) -> dict[str, Any] | None:
    if isinstance(thing, dict):
        return thing
    return msgspec.structs.asdict(thing) if isinstance(thing, msgspec.Struct) else None
