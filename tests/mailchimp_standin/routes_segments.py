"""Answers about tags, that is, static segments."""

from collections.abc import Iterable

from . import answers
from .audience import Audience
from .members import Member, key_of
from .problems import Answer, bad_shape, nothing, ok
from .routing import NARROWING, PAGING, Call, Route
from .shapes import SegmentBody, SegmentMembersBody, read
from .tags import Segment

INCLUDES = ("include_cleaned", "include_transactional", "include_unsubscribed")


def segments(call: Call) -> Answer:
    found = call.audience
    # only static ones exist here
    hidden = call.query.get("exclude_type") == "static" or call.query.get("type", "static") != "static"
    all_of_them = [] if hidden else list(found.tags.segments.values())
    document = {
        "segments": [answers.segment(found, segment) for segment in all_of_them[call.page()]],
        "list_id": found.id,
        "total_items": len(all_of_them),
    }
    return ok(answers.narrowed(document, call.query))


def segment(call: Call) -> Answer:
    found, which = _both(call)
    return ok(answers.narrowed(answers.segment(found, which), call.query))


def create(call: Call) -> Answer:
    found, body = call.audience, read(call.body, SegmentBody)
    if body.static_segment is None:
        raise bad_shape("static_segment", "This field is missing; saved segments are not played here.")
    made = found.tags.create(body.name, call.now)
    _add(found, made, _present(found, body.static_segment)[0], call.now)
    return ok(answers.segment(found, made))


def update(call: Call) -> Answer:
    """Rename; with `static_segment` also replace who is in it, so an empty one empties the tag."""
    found, which = _both(call)
    body = read(call.body, SegmentBody)
    if body.static_segment == []:
        call.world.warn(
            f"A PATCH with an empty static_segment emptied tag {which.id} of audience {found.id}."
        )
    found.tags.rename(which, body.name, call.now)
    if body.static_segment is not None:
        _remove(found, which, list(found.tagged(which.id)), call.now)
        _add(found, which, _present(found, body.static_segment)[0], call.now)
    which.updated = call.now
    found.version += 1
    return ok(answers.segment(found, which))


def delete(call: Call) -> Answer:
    found, which = _both(call)
    found.tags.delete(which)
    found.version += 1
    return nothing()


def members(call: Call) -> Answer:
    """Subscribed and pending ones, and those of other statuses that are asked for."""
    found, which = _both(call)
    hidden = {"archived"} | {name[8:] for name in INCLUDES if not call.flag(name)}
    chosen = [member for member in found.tagged(which.id) if member.status not in hidden]
    document = {
        "members": [answers.full(found, member) for member in chosen[call.page()]],
        "total_items": len(chosen),
    }
    return ok(answers.narrowed(document, call.query))


def change_members(call: Call) -> Answer:
    found, which = _both(call)
    body = read(call.body, SegmentMembersBody)
    joining, unknown_joining = _present(found, body.members_to_add)
    leaving, unknown_leaving = _present(found, body.members_to_remove)
    added = _add(found, which, joining, call.now)
    removed = _remove(found, which, leaving, call.now)
    unknown = [*unknown_joining, *unknown_leaving]
    errors = (
        [{"email_addresses": unknown, "error": "Email addresses do not exist in the list."}]
        if unknown
        else []
    )
    show = answers.brief if call.world.answers == "brief" else answers.full
    return ok(
        {
            "members_added": [show(found, member) for member in added],
            "members_removed": [show(found, member) for member in removed],
            "errors": errors,
            "total_added": len(added),
            "total_removed": len(removed),
            "error_count": len(errors),
        }
    )


def search(call: Call) -> Answer:
    """By prefix, in any case (the comparison's case is an assumption)."""
    prefix = call.query.get("name", "").lower()
    named = call.audience.tags.segments.values()
    matching = [{"id": tag.id, "name": tag.name} for tag in named if tag.name.lower().startswith(prefix)]
    return ok({"tags": matching, "total_items": len(matching)})


def _both(call: Call) -> tuple[Audience, Segment]:
    found = call.audience
    return found, found.tags.get(call.params["segment_id"])


def _present(found: Audience, addresses: list[str]) -> tuple[list[Member], list[str]]:
    """Who of them is in the audience, and the addresses of the others; archived ones are not in it."""
    there, unknown = [], []
    for address in addresses:
        member = found.members.get(key_of(address))
        if member is None or member.status == "archived":
            unknown.append(address)
        else:
            there.append(member)
    return there, unknown


def _add(found: Audience, segment: Segment, members: Iterable[Member], now: float) -> list[Member]:
    changed = [member for member in members if segment.id not in member.tags]
    for member in changed:
        member.tags = found.tags.shared(member.tags | {segment.id})
        member.changed = now
    found.version += 1
    return changed


def _remove(found: Audience, segment: Segment, members: Iterable[Member], now: float) -> list[Member]:
    changed = [member for member in members if segment.id in member.tags]
    for member in changed:
        member.tags = found.tags.shared(member.tags - {segment.id})
        member.changed = now
    found.version += 1
    return changed


_SEGMENT = "/lists/{list_id}/segments/{segment_id}"

ROUTES = (
    Route("POST", _SEGMENT, change_members),
    Route("GET", "/lists/{list_id}/segments", segments, (*PAGING, "type", "exclude_type", *INCLUDES)),
    Route("POST", "/lists/{list_id}/segments", create),
    Route("GET", _SEGMENT, segment, (*NARROWING, *INCLUDES)),
    Route("PATCH", _SEGMENT, update),
    Route("DELETE", _SEGMENT, delete),
    Route("GET", _SEGMENT + "/members", members, (*PAGING, *INCLUDES)),
    Route("GET", "/lists/{list_id}/tag-search", search, ("name",)),
)
