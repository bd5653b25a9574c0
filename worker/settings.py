"""The only reader of the environment in the workers.

The description of a field says what its variable may hold; a field that `repr` leaves out may hold a secret,
and its value is never repeated.
"""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.errors import TellOperator
from worker.keyring import VARIABLE, Keyring, load_or_create, parse_keys
from worker.setting_forms import (
    DURATION_RULE,
    BaseUrl,
    Duration,
    Folders,
    RedisUrl,
    StoreUrl,
    StreamName,
    Variables,
    WebhookSecrets,
)

KEY_FILE: Final = Path("var", "secret.keys")


def _default_store() -> str:
    return Path("var").absolute().as_uri()


def _default_log_format() -> Literal["console", "json"]:
    return "console" if sys.stderr.isatty() else "json"


class Settings(BaseSettings):
    """What an operator sets by environment variables, of which each has a default.

    `lease`: a worker that does not renew a call for so long is taken for dead. `call_deadline`: how long a
    call may take in all; Mailchimp gives up after 120 s (its documentation). `run_deadline`: how long a run
    goes on trying. `keep`: how long runs, reports and events are remembered. `velocity_delay`: when somebody
    is tried again who signed up to too many lists lately. `run_on`: how long a thread goes on with granted
    chunks before it goes back to the queue. `stream`: the Redis stream that events are read from.
    """

    model_config = SettingsConfigDict(frozen=True, case_sensitive=True, hide_input_in_errors=True)

    redis_url: RedisUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias="REDIS_URL",
        description="redis://HOST:PORT/DATABASE, or rediss:// for TLS",
        repr=False,
    )
    store_url: StoreUrl = Field(
        default_factory=_default_store,
        validation_alias="SEGMENT_EXPORT_STORE_URL",
        description="file:///ABSOLUTE/FOLDER, s3://BUCKET, gs://BUCKET or az://CONTAINER",
        repr=False,
    )
    secret_keys: SecretStr | None = Field(
        None,
        validation_alias=VARIABLE,
        description="keys of 32 bytes in base64, separated by commas",
        repr=False,
    )
    mailchimp_url: BaseUrl | None = Field(
        None,
        validation_alias="SEGMENT_EXPORT_MAILCHIMP_URL",
        description="the base URL of a stand-in, such as http://127.0.0.1:8080, without credentials",
        repr=False,
    )
    mailchimp_login_url: BaseUrl | None = Field(
        None,
        validation_alias="SEGMENT_EXPORT_MAILCHIMP_LOGIN_URL",
        description="the base URL of a stand-in's login, such as http://127.0.0.1:8080, without credentials",
        repr=False,
    )
    oauth_client_id: str | None = Field(
        None,
        min_length=1,
        validation_alias="SEGMENT_EXPORT_OAUTH_CLIENT_ID",
        description="the client ID of your app at Mailchimp",
    )
    oauth_client_secret: SecretStr | None = Field(
        None,
        min_length=1,
        validation_alias="SEGMENT_EXPORT_OAUTH_CLIENT_SECRET",
        description="the client secret of your app at Mailchimp",
        repr=False,
    )
    public_url: BaseUrl | None = Field(
        None,
        validation_alias="SEGMENT_EXPORT_PUBLIC_URL",
        description="where people reach this installation, such as https://exports.example.com",
        repr=False,
    )
    allowed_env: Variables = Field(
        (),
        validation_alias="SEGMENT_EXPORT_ALLOWED_ENV",
        description="names of variables separated by commas, or their beginnings with a star, as MAILCHIMP_*",
    )
    allowed_secrets: Folders = Field(
        (),
        validation_alias="SEGMENT_EXPORT_ALLOWED_SECRETS",
        description="absolute paths of folders, separated by commas",
    )
    source_roots: Folders = Field(
        (),
        validation_alias="SEGMENT_EXPORT_SOURCE_ROOTS",
        description="absolute paths of folders, separated by commas",
    )
    log_format: Literal["console", "json"] = Field(
        default_factory=_default_log_format,
        validation_alias="SEGMENT_EXPORT_LOG_FORMAT",
        description="console or json",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        8000, validation_alias="PORT", description="a port number from 1 to 65535"
    )
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")] = Field(
        "127.0.0.1",
        validation_alias="SEGMENT_EXPORT_HOST",
        description="the address to listen at, such as 127.0.0.1, or 0.0.0.0 for all",
    )
    lease: Duration = Field(
        timedelta(seconds=20), validation_alias="SEGMENT_EXPORT_LEASE", description=DURATION_RULE
    )
    call_deadline: Duration = Field(
        timedelta(seconds=125), validation_alias="SEGMENT_EXPORT_CALL_DEADLINE", description=DURATION_RULE
    )
    run_deadline: Duration = Field(
        timedelta(hours=24), validation_alias="SEGMENT_EXPORT_RUN_DEADLINE", description=DURATION_RULE
    )
    keep: Duration = Field(
        timedelta(days=30), validation_alias="SEGMENT_EXPORT_KEEP", description=DURATION_RULE
    )
    velocity_delay: Duration = Field(
        timedelta(minutes=5),
        validation_alias="SEGMENT_EXPORT_VELOCITY_DELAY",
        description=DURATION_RULE,
    )
    run_on: Duration = Field(
        timedelta(seconds=30), validation_alias="SEGMENT_EXPORT_RUN_ON", description=DURATION_RULE
    )
    webhook_secrets: WebhookSecrets | None = Field(
        None,
        validation_alias="SEGMENT_EXPORT_WEBHOOK_SECRETS",
        description="secrets as `segment-export webhook-secret` prints them, separated by commas",
        repr=False,
    )
    unsigned_events: bool = Field(
        default=False,
        validation_alias="SEGMENT_EXPORT_UNSIGNED_EVENTS",
        description="true or false",
    )
    stream: StreamName | None = Field(
        None,
        validation_alias="SEGMENT_EXPORT_STREAM",
        description="1 to 100 letters, digits, '.', '_', ':' and '-' that begin neither with se: "
        "nor with segment-export-queue",
    )

    @classmethod
    def from_environment(cls) -> "Settings":
        """The settings of this process.

        Raises:
            TellOperator: names each unusable variable and what it may hold, never the value of a secret.
        """
        try:
            return cls()
        except ValidationError as error:
            clauses = [_clause(problem) for problem in error.errors(include_url=False, include_context=False)]
            raise TellOperator(f"The environment is not usable: {'; '.join(clauses)}.") from None

    @property
    def redis_shown(self) -> str:
        """The Redis URL without its user, password and options, for sentences and logs."""
        parts = urlsplit(self.redis_url.get_secret_value())
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

    def webhook_keys(self) -> tuple[str, ...]:
        """The secrets that an event may be signed with, each as `whsec_…`."""
        if self.webhook_secrets is None:
            return ()
        return tuple(secret.strip() for secret in self.webhook_secrets.get_secret_value().split(","))

    def keyring(self) -> Keyring:
        """The keys of the environment, or of the key file below the working directory, made on first use.

        Raises:
            TellOperator: a key is malformed, or the key file is unusable or open to others.
        """
        if self.secret_keys is None:
            return load_or_create(KEY_FILE.absolute())
        return parse_keys(self.secret_keys.get_secret_value())


def environ() -> Mapping[str, str]:
    """The environment as it is, for references such as `env:NAME`; read-only."""
    return MappingProxyType(os.environ)


_BY_VARIABLE = {field.validation_alias: field for field in Settings.model_fields.values()}


def _clause(problem: Mapping[str, Any]) -> str:
    variable, value = problem["loc"][0], problem["input"]
    field = _BY_VARIABLE[variable]
    state = "holds something else"
    if not value:
        state = "is empty"
    elif field.repr:
        state = f"is {value!r:.60}"
    return f"{variable} {state} (expected {field.description}, or unset it)"
