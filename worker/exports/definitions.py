"""What a configuration file declares: connections, segments and exports, as applied.

The description of a field is the end of the sentence "write …" that a person reads when the field is missing
or its value can't be used.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from worker.exports import field_rules
from worker.exports.schedules import ON_REFRESH

MAX_SEGMENTS: Final = 63
TAG_LENGTH: Final = 50
"""Characters of a Mailchimp tag's name at most (users' reports)."""

Text = Annotated[str, BeforeValidator(field_rules.number_as_text), AfterValidator(field_rules.one_line)]
Name = Annotated[
    str,
    BeforeValidator(field_rules.number_as_text),
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
]
Column = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Label = Annotated[
    Text, AfterValidator(field_rules.trimmed), StringConstraints(min_length=1, max_length=TAG_LENGTH)
]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[hd]$")]

NAME_RULE: Final = (
    "1 to 63 lower-case letters, digits, hyphens and underscores that begin with a letter or digit"
)


class Definition(BaseModel):
    """A frozen part of a configuration that knows no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Named(Definition):
    """A definition that stands under its name in the configuration file and in the catalog."""

    name: Name = Field(description=NAME_RULE)


class Consent(Definition):
    """Who agreed, when and to which words, that data goes over a connection."""

    agreed_by: Annotated[Text, StringConstraints(min_length=1, max_length=200)] = Field(
        description="who agreed that data goes to this account", repr=False
    )
    agreed_on: date = Field(description="the day of the agreement as YYYY-MM-DD")
    text: Annotated[Text, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        None, description="the words that were agreed to, at most 2000 characters on one line"
    )


class Connection(Named):
    """A Mailchimp account, the reference of its API key, and the consent that data goes there.

    `api_key` is `env:NAME`, `file:PATH` or `encrypted:BASE64`, never the key itself; with a `data_centre`
    that of an OAuth token.
    """

    type: Literal["mailchimp"] = Field(description="mailchimp")
    display_name: Annotated[Text, StringConstraints(min_length=1, max_length=200)] = Field(
        default_factory=lambda data: data["name"], description="1 to 200 characters for people to read"
    )
    api_key: Annotated[str, AfterValidator(field_rules.reference)] = Field(
        description="env:NAME or file:PATH, resolved in the workers, or the key itself, stored encrypted",
        repr=False,
    )
    access: Literal["administrators", "contributors"] = Field(
        "administrators", description="administrators or contributors"
    )
    consent: Consent = Field(
        description="{agreed_by: …, agreed_on: YYYY-MM-DD}, as nothing is exported without consent"
    )
    max_connections: Annotated[int, Field(ge=1, le=10)] = Field(10, description="a whole number from 1 to 10")
    max_contacts: Annotated[int, Field(gt=0)] | None = Field(
        None, description="the contacts of the account's plan, a whole number above 0"
    )
    data_centre: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}[0-9]{1,3}$")] | None = Field(
        None, description="the data centre of an OAuth token, such as us21; an API key ends in its own"
    )


class Segment(Named):
    """A named list of profiles and the file it is read from.

    `source` is a local path or `file://` URL in which `{refresh_id}` and `{segment}` are filled in.
    """

    display_name: Label = Field(
        default_factory=lambda data: data["name"],
        validate_default=True,
        description=f"the name of the tag in Mailchimp, 1 to {TAG_LENGTH} characters",
    )
    source: Annotated[
        Text, BeforeValidator(field_rules.not_sql), AfterValidator(field_rules.readable_source)
    ] = Field(
        description="the path of a Parquet, CSV or NDJSON file, such as data/{refresh_id}/loyal.parquet"
    )


class AddressColumns(Definition):
    """The columns of a merge field of type address; Mailchimp requires addr1, city, state and zip."""

    addr1: Column = Field(description="the column of the street and number")
    addr2: Column | None = Field(
        None, description="the column of the second address line, or leave the key out"
    )
    city: Column = Field(description="the column of the city")
    state: Column = Field(description="the column of the state or province")
    zip: Column = Field(description="the column of the postal code")
    country: Column | None = Field(None, description="the column of the country, or leave the key out")


class Guard(Definition):
    """When a run is held before anything is sent: both the share and the least number have to be exceeded."""

    remove_share: Annotated[float, BeforeValidator(field_rules.text_as_number), Field(ge=0, le=1)] = Field(
        0.2, description="a share from 0 to 1"
    )
    remove_least: Annotated[int, Field(ge=0)] = Field(100, description="a whole number, 0 or above")
    add_share: Annotated[float, BeforeValidator(field_rules.text_as_number), Field(ge=0)] = Field(
        0.5, description="a share such as 0.5"
    )
    add_least: Annotated[int, Field(ge=0)] = Field(1_000, description="a whole number, 0 or above")


def _attribute_form(value: object) -> str:
    return "address" if isinstance(value, Mapping | AddressColumns) else "column"


MergeTag = Annotated[str, AfterValidator(field_rules.merge_tag)]
Attribute = Annotated[
    Annotated[Column, Tag("column")] | Annotated[AddressColumns, Tag("address")],
    Discriminator(_attribute_form),
]


class Export(Named):
    """Which segments go to which audience over which connection, and how.

    `segments` is 1 to 63 names in the order that rows and chunks refer to; `email` and the values of
    `attributes` name columns of the sources; `max_profiles` counts profiles read over all segments of a run.
    An export without a connection is detached: it is kept, and does not run until one is set.
    """

    connection: Name | None = Field(description="the name of a connection")
    enabled: bool = Field(True, description="true or false")
    audience_id: Annotated[Text, StringConstraints(pattern=r"^[a-z0-9]{10}$")] = Field(
        description="the audience's ID of ten lower-case letters and digits, such as a1b2c3d4e5"
    )
    segments: Annotated[
        tuple[Name, ...], Field(min_length=1, max_length=MAX_SEGMENTS), AfterValidator(field_rules.unique)
    ] = Field(description=f"a list of 1 to {MAX_SEGMENTS} names of segments, such as [loyal-customers]")
    email: Column = Field(description="the column of the e-mail addresses")
    attributes: Mapping[MergeTag, Attribute] = Field(
        default_factory=dict,
        description="merge tags and the columns they are filled from, such as {FNAME: first_name}",
    )
    run: Annotated[Text, AfterValidator(field_rules.way_to_run)] = Field(
        ON_REFRESH, description="on_refresh, manual or a cron line such as '0 6 * * 1'"
    )
    time_zone: Annotated[Text, AfterValidator(field_rules.time_zone)] = Field(
        "UTC", description="the name of a time zone such as Europe/Berlin"
    )
    expect_refresh: Annotated[Span | None, AfterValidator(field_rules.only_on_refresh)] = Field(
        None, description="hours or days such as 26h or 2d"
    )
    key: Column | None = Field(
        None, description="the column that tells a person whose address changed, such as customer_id"
    )
    mode: Literal["upsert", "mirror"] = Field("upsert", description="upsert or mirror")
    status_if_new: Literal["subscribed", "pending", "transactional"] = Field(
        "subscribed", description="subscribed, pending or transactional"
    )
    max_profiles: Annotated[int, Field(gt=0)] = Field(1_000_000, description="a whole number above 0")
    tag_prefix: Annotated[Text, StringConstraints(max_length=TAG_LENGTH - 1)] = Field(
        "", description=f"at most {TAG_LENGTH - 1} characters to put before the names of tags"
    )
    on_leave: Literal["untag", "archive", "nothing"] = Field("untag", description="untag, archive or nothing")
    full_every: Span | None = Field(None, description="hours or days such as 12h or 7d")
    guard: Guard = Field(default_factory=Guard, description="{remove_share: 0.2, add_share: 0.5}, say")
    quarantine_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        30, description="a whole number of days, 0 or above"
    )
    skip_required: bool = Field(False, description="true or false")
    create_merge_fields: bool = Field(False, description="true or false")
    on_null: Literal["clear", "keep"] = Field("clear", description="clear or keep")
    on_bad_value: Literal["omit", "reject"] = Field("omit", description="omit or reject")


def why_inactive(export: Export) -> str:
    """The sentence about an export that does not run as it is; '' for one that does."""
    if export.connection is None:
        return f"Export {export.name} is detached: set its connection, then run it."
    if not export.enabled:
        return f"Export {export.name} is disabled: enable it, then run it."
    return ""


def tag(export: Export, segment: Segment) -> str:
    """The Mailchimp tag that members of the segment carry: the export's prefix and the display name."""
    return export.tag_prefix + segment.display_name


def public(connection: Connection) -> dict[str, Any]:
    """A connection as anybody may see it, in JSON types: references are shown, an encrypted key is not."""
    shown = connection.model_dump(mode="json")
    if connection.api_key.startswith("encrypted:"):
        shown["api_key"] = "encrypted"
    return shown
