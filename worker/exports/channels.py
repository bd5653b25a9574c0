"""Whom a configuration file wants to be told of runs, and how: notification channels.

What may be secret (a URL, a signing secret, a password) is a reference as that of an API key: `env:NAME`,
`file:PATH` or `encrypted:BASE64`. `secrets` names these fields, each with the form of one written out.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from worker.exports import channel_rules
from worker.exports.definitions import Name, Named, Text

Event: TypeAlias = Literal["successful", "partial", "failed", "canceled", "skipped", "held", "late"]

EVENTS: Final[tuple[Event, ...]] = get_args(Event)
HELD: Final = "held"
LATE: Final = "late"
USUAL: Final[tuple[Event, ...]] = ("partial", "failed", "held", "late")
ENCRYPTED: Final = "encrypted:"

_URL = re.compile(r"https?://[!-~]{1,2000}")
_SIGNING = re.compile(r"(whsec_)?[A-Za-z0-9+/]{32,200}={0,2}")
_PASSWORD = re.compile(r"[!-~]{1,200}")

Url = Annotated[str, AfterValidator(channel_rules.url)]
Address = Annotated[Text, AfterValidator(channel_rules.address)]


class Notification(Named):
    """A channel, and what it is told of: which events, of which exports (none named: all)."""

    secrets: ClassVar[Mapping[str, re.Pattern[str]]] = {}

    type: Literal["webhook", "slack", "email"] = Field(description="webhook, slack or email")
    on: Annotated[tuple[Event, ...], BeforeValidator(channel_rules.every(EVENTS))] = Field(
        USUAL, description=f"every, or a list of {', '.join(EVENTS)}"
    )
    exports: Annotated[tuple[Name, ...], BeforeValidator(channel_rules.all_or_some)] = Field(
        (), description="all, or a list of names of exports"
    )

    def wants(self, event: str, export: str) -> bool:
        """Whether this channel is to be told of an event of an export."""
        return event in self.on and (not self.exports or export in self.exports)


class Webhook(Notification):
    """An HTTP address that gets signed JSON, as Standard Webhooks has it."""

    secrets: ClassVar[Mapping[str, re.Pattern[str]]] = {"url": _URL, "secret": _SIGNING}

    type: Literal["webhook"] = Field(description="webhook, slack or email")
    url: Url = Field(description="env:NAME or file:PATH, or the URL itself, stored encrypted", repr=False)
    secret: Annotated[str, AfterValidator(channel_rules.secret)] = Field(
        description="env:NAME or file:PATH, or the secret itself, stored encrypted", repr=False
    )


class Slack(Notification):
    """An incoming webhook of Slack's, or of what understands the same, as Mattermost does."""

    secrets: ClassVar[Mapping[str, re.Pattern[str]]] = {"url": _URL}

    type: Literal["slack"] = Field(description="webhook, slack or email")
    url: Url = Field(description="env:NAME or file:PATH, or the URL itself, stored encrypted", repr=False)


class Email(Notification):
    """E-mail over a mail server."""

    secrets: ClassVar[Mapping[str, re.Pattern[str]]] = {"password": _PASSWORD}

    type: Literal["email"] = Field(description="webhook, slack or email")
    host: Annotated[Text, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")] = Field(
        description="the name of a mail server, such as smtp.example.com"
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="a port number from 1 to 65535")
    encryption: Literal["starttls", "tls", "none"] = Field("starttls", description="starttls, tls or none")
    sender: Address = Field(description="the address that mail comes from", repr=False)
    to: Annotated[tuple[Address, ...], Field(min_length=1, max_length=50)] = Field(
        description="a list of 1 to 50 addresses that mail goes to", repr=False
    )
    user: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="the user to log in as, or leave the key out", repr=False
    )
    password: Annotated[str | None, AfterValidator(channel_rules.password)] = Field(
        None, description="env:NAME or file:PATH, or the password itself, stored encrypted", repr=False
    )


_FORMS: Final[Mapping[object, type[Notification]]] = {"webhook": Webhook, "slack": Slack, "email": Email}


def form(kind: object) -> type[Notification]:
    """The definition of a type of channel; what all have in common for one that is not known."""
    return _FORMS.get(kind, Notification) if isinstance(kind, str) else Notification


def context(name: str, field: str) -> str:
    """What a secret of a channel is encrypted for: it can be opened for nothing else."""
    return f"the {field} of notification {name}"


def public(channel: Notification) -> dict[str, Any]:
    """A channel as anybody may see it, in JSON types: references are shown, what is encrypted is not."""
    shown = channel.model_dump(mode="json")
    shown["exports"] = shown["exports"] or "all"
    for field in channel.secrets:
        if str(shown[field]).startswith(ENCRYPTED):
            shown[field] = "encrypted"
    return shown
