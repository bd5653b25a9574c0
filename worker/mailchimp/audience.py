"""Accounts, audiences and their merge fields: of Mailchimp's documents only what is used."""

from typing import Final

import msgspec

from worker.exports.attributes import MergeField
from worker.mailchimp.reading import read


class Account(msgspec.Struct, frozen=True):
    """A Mailchimp account: its name, the contacts it has over all audiences, and how it pays.

    `plan` is `monthly`, `pay_as_you_go` or `forever_free`; both facts are None where not told.
    """

    name: str = msgspec.field(name="account_name", default="")
    contacts: int | None = msgspec.field(name="total_subscribers", default=None)
    plan: str | None = msgspec.field(name="pricing_plan_type", default=None)


class _Statistics(msgspec.Struct, frozen=True):
    member_count: int = 0


class Audience(msgspec.Struct, frozen=True):
    """An audience; with `double_optin`, new contacts are asked to confirm by Mailchimp's own forms."""

    id: str
    name: str
    double_optin: bool = False
    stats: _Statistics = _Statistics()

    @property
    def member_count(self) -> int:
        """The active members, as of some minutes ago (Mailchimp's specification)."""
        return self.stats.member_count


class _Options(msgspec.Struct, omit_defaults=True):
    choices: list[str] | None = None


class _Field(msgspec.Struct):
    tag: str
    name: str = ""
    type: str = "text"
    required: bool = False
    options: _Options | None = None


class _Page(msgspec.Struct):
    merge_fields: list[_Field]
    total_items: int | None = None


class _NewField(msgspec.Struct, omit_defaults=True):
    tag: str
    name: str
    type: str
    required: bool = False
    options: _Options | None = None


_ACCOUNT: Final = msgspec.json.Decoder(Account)
_AUDIENCE: Final = msgspec.json.Decoder(Audience)
_FIELD: Final = msgspec.json.Decoder(_Field)
_PAGE: Final = msgspec.json.Decoder(_Page)


def read_account(body: bytes) -> Account:
    """Read the answer of the API's root.

    Raises:
        Unavailable: when it is no such answer; the same for the others here.
    """
    return read(_ACCOUNT, body, "about the account")


def read_audience(body: bytes) -> Audience:
    """Read the answer of `GET /lists/{list_id}`."""
    return read(_AUDIENCE, body, "about the audience")


def read_merge_fields(body: bytes) -> tuple[list[MergeField], int]:
    """Read a page of `GET /lists/{list_id}/merge-fields`, and how many there are on all pages."""
    page = read(_PAGE, body, "about merge fields")
    fields = [_merge_field(field) for field in page.merge_fields]
    return fields, len(fields) if page.total_items is None else page.total_items


def read_merge_field(body: bytes) -> MergeField:
    """Read the answer of `POST /lists/{list_id}/merge-fields`."""
    return _merge_field(read(_FIELD, body, "about a merge field"))


def new_merge_field(field: MergeField) -> bytes:
    """Make the body of `POST /lists/{list_id}/merge-fields`; a field without a name is named by its tag."""
    options = _Options(list(field.choices)) if field.choices else None
    name = field.name or field.tag
    return msgspec.json.encode(_NewField(field.tag, name, field.type, field.required, options))


def _merge_field(field: _Field) -> MergeField:
    choices = (field.options.choices or ()) if field.options else ()
    return MergeField(
        tag=field.tag, name=field.name, type=field.type, required=field.required, choices=tuple(choices)
    )
