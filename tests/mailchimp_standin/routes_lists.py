"""Answers about the account, its audiences and their merge fields, and the batch upsert."""

from typing import Any

from . import answers
from .audience import FIELD_LIMIT
from .batch import Terms, upsert_all
from .problems import Answer, FieldError, invalid, ok
from .routing import NARROWING, PAGING, Call, Route
from .shapes import BatchBody, FieldBody, read
from .validation import MergeField


def ping(_: Call) -> Answer:
    return ok({"health_status": "Everything's Chimpy!"})


def root(call: Call) -> Answer:
    owned = [a for a in call.world.audiences.values() if a.owner == call.account.api_key]
    document = {
        "account_id": call.account.api_key[:12],
        "login_id": call.account.api_key[:8],
        "account_name": call.account.name,
        "role": "owner",
        "pricing_plan_type": call.account.plan,
        "account_timezone": "UTC",
        "total_subscribers": sum(audience.counts()["subscribed"] for audience in owned),
    }
    return ok(answers.narrowed(document, call.query))


def audiences(call: Call) -> Answer:
    owned = [a for a in call.world.audiences.values() if a.owner == call.account.api_key]
    shown = [answers.audience_document(audience) for audience in owned[call.page()]]
    return ok(answers.narrowed({"lists": shown, "total_items": len(owned)}, call.query))


def audience(call: Call) -> Answer:
    call.flag("include_total_contacts")
    return ok(answers.narrowed(answers.audience_document(call.audience), call.query))


def batch(call: Call) -> Answer:
    found = call.audience
    body = read(call.body, BatchBody)
    result = upsert_all(
        found,
        body,
        Terms(
            now=call.now,
            update_existing=body.update_existing,
            sync_tags=body.sync_tags,
            skip_required=call.flag("skip_merge_validation"),
            skip_duplicates=call.flag("skip_duplicate_check"),
        ),
    )
    show: Any = answers.brief if call.world.answers == "brief" else answers.full
    return ok(
        {
            "new_members": [show(found, member) for member in result.created],
            "updated_members": [show(found, member) for member in result.updated],
            "errors": result.errors,
            "total_created": len(result.created),
            "total_updated": len(result.updated),
            "error_count": len(result.errors),
        }
    )


def merge_fields(call: Call) -> Answer:
    found = call.audience
    shown = [answers.merge_field(found, field) for field in found.fields.values()]
    document = {
        "merge_fields": shown[call.page()],
        "list_id": found.id,
        "total_items": len(shown),
        "merge_field_limit": FIELD_LIMIT,
    }
    return ok(answers.narrowed(document, call.query))


def add_merge_field(call: Call) -> Answer:
    found = call.audience
    body = read(call.body, FieldBody)
    tag = body.tag or f"MMERGE{max(found.merge_ids.values(), default=0) + 1}"
    if tag in found.fields:
        raise _bad_field("tag", f'A Merge Field with the tag "{tag}" already exists for this list.')
    if len(found.fields) >= FIELD_LIMIT:
        raise _bad_field("", "The maximum number of merge fields is reached.")
    if body.type in ("radio", "dropdown") and not body.options.choices:
        raise _bad_field("options.choices", "Choices are required.")
    field = MergeField(tag, body.name, body.type, body.required, tuple(body.options.choices))
    found.add_field(field)
    return ok(answers.merge_field(found, field))


def _bad_field(field: str, message: str) -> Exception:
    return invalid("Your merge field was invalid.", FieldError(field, message))


ROUTES = (
    # the batch comes first, because it is nearly every call
    Route(
        "POST",
        "/lists/{list_id}",
        batch,
        # a narrower answer may be asked for, and isn't given (not documented for this call)
        ("skip_merge_validation", "skip_duplicate_check", *NARROWING),
    ),
    Route("GET", "/ping", ping),
    Route("GET", "/", root, NARROWING),
    Route("GET", "/lists", audiences, PAGING),
    Route("GET", "/lists/{list_id}", audience, (*NARROWING, "include_total_contacts")),
    Route("GET", "/lists/{list_id}/merge-fields", merge_fields, PAGING),
    Route("POST", "/lists/{list_id}/merge-fields", add_merge_field),
)
