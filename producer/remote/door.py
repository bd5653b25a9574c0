"""Where the API is and what opens it: two variables, both or none."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from worker.errors import TellOperator

URL: Final = "SEGMENT_EXPORT_API_URL"
TOKEN: Final = "SEGMENT_EXPORT_API_TOKEN"  # noqa: S105 - its name

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/\[\]-]{1,500}", re.ASCII)
_TOKEN: Final = re.compile(r"se_[A-Za-z0-9_-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Door:
    """The base URL of an API, without a slash at its end, and a token for it."""

    url: str
    token: str = field(repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether what goes through it is encrypted."""
        return self.url.startswith("https:")

    @property
    def fit_for_keys(self) -> bool:
        """Whether nobody on the way can read what goes through it."""
        return self.encrypted or _is_loopback(urlsplit(self.url).hostname or "")


def door_of(environ: Mapping[str, str]) -> Door | None:
    """The door that the environment names; None if it names none.

    Raises:
        TellOperator: what it names is no door; a value that may hold a secret is not repeated.
    """
    url, token = environ.get(URL), environ.get(TOKEN)
    if url is None and token is None:
        return None
    if url is None or token is None:
        there, missing = (URL, TOKEN) if token is None else (TOKEN, URL)
        raise TellOperator(f"{there} is set, but {missing} is not: set both, or unset both.")
    if not _TOKEN.fullmatch(token):
        raise TellOperator(
            f"{TOKEN} holds no token: set it to one that `segment-export token create` printed, se_…."
        )
    return Door(_base(url), token)


def _base(url: str) -> str:
    """The URL as calls begin with it."""
    try:
        parts = urlsplit(url)
        usable = _PLAIN.fullmatch(url) is not None and _leads_to_a_host(parts)
    except ValueError:
        usable = False
    if not usable:
        raise TellOperator(
            f"{URL} can't be used: set it to https:// and the host of the API, with its port if it has one, "
            "and without user, password and query."
        )
    return parts._replace(scheme=parts.scheme.lower()).geturl().rstrip("/").removesuffix("/v1")


def _leads_to_a_host(parts: SplitResult) -> bool:
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
