"""What a batch upsert, and every other call that adds or updates members, does to an audience."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from .audience import Audience
from .members import JOINT, Kept, Member, Shape, Values, compliance, refuses
from .problems import bad_shape
from .shapes import BatchBody, MergeValue, UpsertBody
from .validation import BLANK, TEXT_BYTES, MergeField, accept, address_fault, usual_address

NO_TAGS: frozenset[int] = frozenset()
SHORT = 63  # characters that are never more than 255 bytes
EXISTS = (
    "is already a list member, do you want to update? please provide update_existing:true in the request body"
)


class Refused(Exception):
    """One member is refused; the call goes on."""

    def __init__(
        self, error: str, *, code: str = "ERROR_GENERIC", field: str = "", message: str = ""
    ) -> None:
        super().__init__(error)
        self.error = error
        self.code = code
        self.field = field
        self.message = message


class MemberError(msgspec.Struct, frozen=True):
    """A line of a batch answer's `errors`."""

    email_address: str
    error: str
    error_code: str
    field: str
    field_message: str


class Terms(msgspec.Struct, frozen=True):
    """How a call wants its members taken. `tags_on_update` is False for a PUT (users' reports)."""

    now: float
    update_existing: bool = True
    sync_tags: bool = False
    skip_required: bool = False
    skip_duplicates: bool = False
    tags_on_update: bool = True


class Result(msgspec.Struct):
    """The members are live: encode them before anything else happens."""

    created: list[Member]
    updated: list[Member]
    errors: list[MemberError]


def upsert_all(audience: Audience, body: BatchBody, terms: Terms) -> Result:
    """Apply a batch.

    Raises:
        Problem: 400, before anything was applied, when a member lacks what the dialect wants.
    """
    check_dialect(audience, body.members)
    result = Result([], [], [])
    seen: set[str] = set()
    for item in body.members:
        key = item.email_address.strip().lower()
        if key in seen:
            if not terms.skip_duplicates:
                result.errors.append(_error(item, Refused(f"{key} appears more than once in this call.")))
            continue
        seen.add(key)
        try:
            created, member = upsert(audience, key, item, terms)
        except Refused as refused:
            result.errors.append(_error(item, refused))
        else:
            (result.created if created else result.updated).append(member)
    audience.version += 1
    return result


def check_dialect(audience: Audience, items: Sequence[UpsertBody]) -> None:
    """In the classic dialect `status_if_new` and `tags` are nothing, and each member needs a status."""
    classic = audience.dialect == "classic"
    for number, item in enumerate(items):
        if classic:
            item.status_if_new, item.tags = None, None
        if item.status_if_new is None and item.status is UNSET:
            raise bad_shape(f"members.item:{number}.status", "This field is missing.")


def upsert(audience: Audience, key: str, item: UpsertBody, terms: Terms) -> tuple[bool, Member]:
    """Add or update one member; tells whether the address counts as new, which archived ones do.

    Raises:
        Refused: nothing was changed.
    """
    member = audience.members.get(key)
    if member is None:
        return True, _create(audience, key, item, terms)
    if member.status == "archived":
        _update(audience, member, item, terms, _wanted(item))
        return True, member
    if not terms.update_existing:
        raise Refused(f"{item.email_address} {EXISTS}", code="ERROR_CONTACT_EXISTS")
    if member.status == "cleaned" and item.status is UNSET:
        raise Refused(compliance(item.email_address))
    _update(audience, member, item, terms, item.status)
    return False, member


def _error(item: UpsertBody, refused: Refused) -> MemberError:
    return MemberError(item.email_address, refused.error, refused.code, refused.field, refused.message)


def _wanted(item: UpsertBody) -> Kept:
    """The status of somebody new; that one of the two is there was checked before."""
    if item.status is not UNSET:
        return item.status
    return item.status_if_new or "subscribed"


def _create(audience: Audience, key: str, item: UpsertBody, terms: Terms) -> Member:
    email = item.email_address.strip()
    if not usual_address(email):
        _check_address(email)
    if key in audience.gone:
        raise Refused(f"{email} was permanently deleted and cannot be re-imported.")
    if key in audience.hasty:
        raise _too_hasty(email)
    shape, values = merged(audience, item.merge_fields, terms, None)
    status, now = _wanted(item), terms.now
    tags = audience.tags.with_names(NO_TAGS, item.tags, now) if item.tags else NO_TAGS
    member = Member(email, status, "admin" if status == "unsubscribed" else "", shape, values, tags, now, now)
    # the address itself as key, where it is lower case: one string less a member
    audience.members[email if email == key else key] = member
    return member


def _check_address(email: str) -> None:
    fault = address_fault(email)
    if fault is not None:
        raise Refused(fault)


def _update(
    audience: Audience, member: Member, item: UpsertBody, terms: Terms, status: Kept | msgspec.UnsetType
) -> None:
    if status is not UNSET:
        if refuses(member, status):
            raise Refused(compliance(item.email_address))
        if status == "subscribed" and member.key in audience.hasty:
            raise _too_hasty(item.email_address)
    member.shape, member.values = merged(audience, item.merge_fields, terms, member)
    if status is not UNSET and status != member.status:
        audience.set_status(member, status, "admin", terms.now, via="api")
    if terms.tags_on_update:
        if terms.sync_tags and audience.dialect == "newest":
            member.tags = NO_TAGS
        if item.tags:
            member.tags = audience.tags.with_names(member.tags, item.tags, terms.now)
    member.changed = terms.now


def _too_hasty(address: str) -> Refused:
    return Refused(
        f"{address} has signed up to a lot of lists very recently; we're not allowing more signups for now."
    )


def merged(
    audience: Audience, sent: dict[str, MergeValue], terms: Terms, member: Member | None
) -> tuple[Shape, Values]:
    """Check what was sent, and give what the member has then; what wasn't sent stays."""
    shape = audience.shape(tuple(sent))
    values: Values | None = _short_texts(sent) if shape.texts else None
    if values is None:
        _check_values(audience, sent)
        shape, values = audience.row(sent)
    if member is not None and member.shape is not shape:
        sent = audience.merge_fields(member, blanks=False) | sent
        shape, values = audience.row(sent)
    if audience.required and not terms.skip_required:
        _check_required(audience, sent)
    return shape, values


def _short_texts(sent: dict[str, MergeValue]) -> str | None:
    """Nearly every member has only texts, and so short that all of them together would do for one."""
    try:
        values = JOINT.join(sent.values())  # type: ignore[arg-type] # a TypeError tells that one isn't text
    except TypeError:
        return None
    return values if len(values) <= (TEXT_BYTES if values.isascii() else SHORT) else None


def _check_values(audience: Audience, sent: dict[str, MergeValue]) -> None:
    """Put each value into the form in which it is kept; unknown fields are refused or taken out."""
    for tag in tuple(sent):
        field = audience.fields.get(tag)
        if field is not None:
            sent[tag] = _accepted(field, sent[tag])
        elif audience.ignore_unknown_fields:
            del sent[tag]
        else:
            raise _bad_field(tag, "There is no such merge field")


def _accepted(field: MergeField, value: MergeValue) -> MergeValue:
    try:
        return accept(field, value)
    except ValueError as error:
        raise _bad_field(field.tag, str(error)) from None


def _check_required(audience: Audience, fields: dict[str, MergeValue]) -> None:
    for tag in audience.required:
        if fields.get(tag, "") == "":
            raise _bad_field(tag, BLANK)


def _bad_field(tag: str, message: str) -> Refused:
    return Refused("Your merge fields were invalid.", field=tag, message=message)
