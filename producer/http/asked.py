"""What routes ask for in paths, queries and plain bodies."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from producer.access import Role
from producer.http.described import CONNECTION_CHANGES, EXPORT_CHANGES, Values

_NAME = r"^[A-Za-z0-9_.:-]{1,100}$"

Name: TypeAlias = Annotated[str, Path(pattern=_NAME, description="a name or id")]
Named: TypeAlias = Annotated[str | None, Query(pattern=_NAME, description="only of this one")]
Full: TypeAlias = Annotated[bool, Query(description="also send what has not changed")]
Show: TypeAlias = Annotated[bool, Query(description="whole addresses instead of masked ones")]
AfterEntry: TypeAlias = Annotated[
    str, Query(pattern=r"^([0-9]{1,15}-[0-9]{1,10})?$", description="`next` of the part before")
]
AuditWord: TypeAlias = Annotated[str | None, Query(max_length=200, description="only with this word")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200, description="at most so many")]
After: TypeAlias = Annotated[
    str, Query(max_length=200, description="`next` of the part before: what comes after it")
]


class Asked(BaseModel):
    """The body of a request that knows no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True)


class Refresh(Asked):
    """A refresh that has finished."""

    refresh_id: str = Field(max_length=200, description="it becomes a part of the sources' paths")
    segments: list[str] | None = Field(None, min_length=1, max_length=1000, description="null: all of them")


class Share(Asked):
    """Who may use a connection."""

    access: Literal["administrators", "contributors"]


class Key(Asked):
    """Another API key."""

    api_key: str = Field(
        min_length=1,
        max_length=1000,
        repr=False,
        description="the key itself, or a reference as in the catalog",
    )


class Authorize(Asked):
    """A connection that is to use the account of whoever agrees."""

    values: Annotated[Values | None, CONNECTION_CHANGES] = Field(
        None, description="of a connection that is not there yet, without its key; null for one that is"
    )


class Duplicate(Asked):
    """A copy."""

    new_name: str = Field(description="its name", max_length=100)
    changes: Annotated[Values | None, EXPORT_CHANGES] = Field(None, description="what is different about it")


class Schedule(Asked):
    """When exports run."""

    names: list[str] = Field(min_length=1, max_length=1000, description="names of exports")
    run: str = Field(max_length=200, description="on_refresh, manual, or a cron line")
    time_zone: str | None = Field(None, max_length=100, description="of a cron line, such as Europe/Berlin")


class AddTo(Asked):
    """Where to add something."""

    export: str = Field(max_length=100, description="the name of an export")


class Clear(Asked):
    """Whom to let out."""

    address: str | None = Field(None, max_length=320, repr=False, description="null: everybody")


class TokenWanted(Asked):
    """A token to make."""

    name: str = Field(min_length=1, max_length=100, description="for people: whose it is")
    role: Role = Field(strict=False)
    expires_at: datetime | None = Field(None, strict=False, description="null: never")
