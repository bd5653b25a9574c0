"""Answers about single members, and pages of them."""

from collections.abc import Callable
from typing import get_args

from msgspec import UNSET

from . import answers
from .audience import Audience
from .batch import Refused, Terms, merged, upsert
from .members import Kept, Member, compliance, key_of, refuses
from .problems import Answer, FieldError, Problem, bad_shape, invalid, nothing, ok
from .routing import NARROWING, PAGING, Call, Route
from .shapes import PatchBody, Status, TagsBody, UpsertBody, read
from .validation import address_fault

STATUSES = (*get_args(Status), "archived")


def members(call: Call) -> Answer:
    """A page. Without `status` the archived are left out (an assumption)."""
    found = call.audience
    status = call.query.get("status", "")
    if status and status not in STATUSES:
        raise invalid("Unknown status.", FieldError("status", f"Must be one of: {', '.join(STATUSES)}"))
    since, before = call.moment("since_last_changed"), call.moment("before_last_changed")
    left = call.moment("unsubscribed_since")
    if left is not None:
        if status != "unsubscribed":
            raise invalid("Wants status=unsubscribed.", FieldError("unsubscribed_since", "Wrong status."))
        # when they left isn't kept, and their last change can't be earlier
        since = left if since is None else max(left, since)

    def wanted(member: Member) -> bool:
        # Mailchimp's times are whole seconds, and the bounds are exclusive
        changed = int(member.changed)
        fits = member.status == status if status else member.status != "archived"
        return fits and (since is None or changed > since) and (before is None or changed < before)

    chosen = found.listing((status, since, before), wanted)
    page = _sorted(call, chosen)[call.page()]
    document = {
        "members": [answers.full(found, member) for member in page],
        "list_id": found.id,
        "total_items": len(chosen),
    }
    return ok(answers.narrowed(document, call.query))


_ORDER: dict[str, Callable[[Member], float]] = {
    "last_changed": lambda member: member.changed,
    "timestamp_opt": lambda member: member.created,
    "timestamp_signup": lambda member: member.created,
}


def _sorted(call: Call, chosen: list[Member]) -> list[Member]:
    field = call.query.get("sort_field")
    if field is None:
        return chosen
    if field not in _ORDER:
        raise invalid("Unknown sort field.", FieldError("sort_field", f"Must be one of: {', '.join(_ORDER)}"))
    return sorted(chosen, key=_ORDER[field], reverse=call.query.get("sort_dir") == "DESC")


def member(call: Call) -> Answer:
    found = call.audience
    return _shown(call, found, found.find(call.params["hash"]))


def add(call: Call) -> Answer:
    """POST: for new members only; `status` is required."""
    found, body = call.audience, read(call.body, UpsertBody)
    if body.status is UNSET:
        raise bad_shape("status", "This field is missing.")
    known = found.members.get(key_of(body.email_address))
    if known is not None and known.status != "archived":
        use_put = f"{body.email_address} is already a list member. Use PUT to insert or update list members."
        raise Problem(400, "Member Exists", use_put)
    return _upserted(call, found, body)


def put(call: Call) -> Answer:
    """Add or update. Its tags are applied on creation only (users' reports)."""
    found, body = call.audience, read(call.body, UpsertBody)
    key = key_of(body.email_address)
    known = found.members.get(key)
    named = call.params["hash"].lower()
    if named not in (key, answers.hash_of(key)):
        raise invalid(
            "The resource submitted could not be validated.", FieldError("email_address", "Not its hash.")
        )
    if known is None and body.status is UNSET and body.status_if_new is None:
        raise bad_shape("status", "This field is missing.")
    return _upserted(call, found, body)


def _upserted(call: Call, found: Audience, body: UpsertBody) -> Answer:
    terms = Terms(now=call.now, skip_required=call.flag("skip_merge_validation"), tags_on_update=False)
    try:
        _, changed = upsert(found, key_of(body.email_address), body, terms)
    except Refused as refused:
        raise _problem(refused) from None
    found.version += 1
    return _shown(call, found, changed)


def patch(call: Call) -> Answer:
    """Change a member; a new address moves them, unless it is taken."""
    found, body = call.audience, read(call.body, PatchBody)
    if body.status_if_new is not None or body.tags is not None:
        raise bad_shape("status_if_new" if body.tags is None else "tags", "Not known in a PATCH.")
    known = found.find(call.params["hash"])
    status: Kept | None = None if body.status is UNSET else body.status
    if status and refuses(known, status):
        raise Problem(400, "Member In Compliance State", compliance(known.email))
    terms = Terms(now=call.now, skip_required=call.flag("skip_merge_validation"))
    try:
        shape, values = merged(found, body.merge_fields, terms, known)
    except Refused as refused:
        raise _problem(refused) from None
    if body.email_address is not None and key_of(body.email_address) != known.key:
        _move(found, known, body.email_address.strip())
    known.shape, known.values, known.changed = shape, values, call.now
    if status and status != known.status:
        found.set_status(known, status, "admin", call.now, via="api")
    found.version += 1
    return _shown(call, found, known)


def _move(found: Audience, known: Member, address: str) -> None:
    fault = address_fault(address)
    if fault:
        raise invalid(fault)
    taken = found.members.get(key_of(address))
    if taken is not None:
        status = taken.status.capitalize()
        raise Problem(400, "Member Exists", f'{address} is already in this list with a status of "{status}".')
    found.forget(known)
    known.email = address
    found.add(known)


def archive(call: Call) -> Answer:
    found = call.audience
    known = found.find(call.params["hash"])
    if known.status in ("cleaned", "pending", "archived"):
        raise Problem(405, "Method Not Allowed", "This list member cannot be removed.")
    found.set_status(known, "archived", "", call.now, via="api")
    return nothing()


def delete_permanently(call: Call) -> Answer:
    found = call.audience
    known = found.find(call.params["hash"])
    found.forget(known)
    found.gone.add(known.key)
    return nothing()


def tags(call: Call) -> Answer:
    found = call.audience
    shown = found.tags.shown(found.find(call.params["hash"]).tags)
    return ok(answers.narrowed({"tags": list(shown[call.page()]), "total_items": len(shown)}, call.query))


def change_tags(call: Call) -> Answer:
    """`is_syncing` is read and has no effect: there are no automations here."""
    found, body = call.audience, read(call.body, TagsBody)
    known = found.find(call.params["hash"])
    for change in body.tags:
        if change.status == "active":
            known.tags = found.tags.with_names(known.tags, (change.name,), call.now)
        elif segment := found.tags.named(change.name):
            known.tags = found.tags.shared(known.tags - {segment.id})
    known.changed = call.now
    found.version += 1
    return nothing()


def _shown(call: Call, found: Audience, known: Member) -> Answer:
    return ok(answers.narrowed(answers.full(found, known), call.query))


def _problem(refused: Refused) -> Problem:
    if "compliance state" in refused.error:
        return Problem(400, "Member In Compliance State", refused.error)
    errors = (FieldError(refused.field, refused.message),) if refused.field else ()
    return invalid(refused.error, *errors)


_MEMBER = "/lists/{list_id}/members/{hash}"
_SKIP = ("skip_merge_validation",)
_WHEN = ("since_last_changed", "before_last_changed", "unsubscribed_since")

ROUTES = (
    Route("GET", "/lists/{list_id}/members", members, (*PAGING, "status", *_WHEN, "sort_field", "sort_dir")),
    Route("POST", "/lists/{list_id}/members", add, _SKIP),
    Route("GET", _MEMBER, member, NARROWING),
    Route("PUT", _MEMBER, put, _SKIP),
    Route("PATCH", _MEMBER, patch, _SKIP),
    Route("DELETE", _MEMBER, archive),
    Route("POST", _MEMBER + "/actions/delete-permanent", delete_permanently),
    Route("GET", _MEMBER + "/tags", tags, PAGING),
    Route("POST", _MEMBER + "/tags", change_tags),
)
