"""What variables of the environment may hold: spans of time, URLs, secrets, and lists of them.

Each form raises a bare ValueError for whatever else: the sentence is made of the description of its field.
"""

import base64
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

_DURATION = re.compile(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?")
_UNITS: Mapping[str, timedelta] = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_LONGEST = timedelta(days=3650)
_LEAST_SECRET, _MOST_SECRET = 24, 64
DURATION_RULE: Final = "a time above 0 such as 90s, 5m, 24h or 30d"


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if not match:
        raise ValueError
    return float(match[1]) * _UNITS[match[2] or "s"]


def _positive(value: timedelta) -> timedelta:
    if not timedelta() < value <= _LONGEST:
        raise ValueError
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]


def _redis_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    # a path that is no database may be half of a password with a slash in it
    addressed = parts.hostname and parts.port != 0 and re.fullmatch(r"(/[0-9]*)?", parts.path)
    if not (addressed if parts.scheme in {"redis", "rediss"} else parts.scheme == "unix" and parts.path):
        raise ValueError
    return value


def _store_url(value: str) -> str:
    parts = urlsplit(value)
    if not (parts.path.startswith("/") if parts.scheme == "file" else parts.netloc):
        raise ValueError
    if parts.scheme not in {"file", "s3", "gs", "az"}:
        raise ValueError
    return value


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    plain = not (parts.username or parts.password or parts.query or parts.fragment) and parts.port != 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise ValueError
    return value.rstrip("/")


def _webhook_secrets(value: SecretStr) -> SecretStr:
    for secret in value.get_secret_value().split(","):
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
        if not secret.strip().startswith("whsec_") or not _LEAST_SECRET <= len(key) <= _MOST_SECRET:
            raise ValueError
    return value


def _stream_name(value: str) -> str:
    # ours and the queue's keys begin like that
    if not re.fullmatch(r"(?!se:|segment-export-queue)[A-Za-z0-9._:-]{1,100}", value):
        raise ValueError
    return value


def _list(value: object) -> object:
    """What is written with commas, without the blanks around them."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _variables(names: tuple[str, ...]) -> tuple[str, ...]:
    # a star alone would be everything, secrets included
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", name) for name in names):
        raise ValueError
    return names


def _folders(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    if not all(path.is_absolute() and ".." not in path.parts for path in paths):
        raise ValueError
    return paths


RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
WebhookSecrets = Annotated[SecretStr, AfterValidator(_webhook_secrets)]
StreamName = Annotated[str, AfterValidator(_stream_name)]
Variables = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list), AfterValidator(_variables)]
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_list), AfterValidator(_folders)]
