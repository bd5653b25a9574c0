"""Where Mailchimp is called: one host by data centre, or the operator's other base. Nowhere else."""

import re
from typing import Final

import httpx

from worker.errors import StopRun, TellOperator

_DATA_CENTRE: Final = re.compile(r"[a-z]{2,3}[0-9]{1,3}")
_VERSION: Final = "/3.0"


def base_url(api_key: str, override: str | None = None, *, data_centre: str | None = None) -> str:
    """Give the base of all calls made with this key, without a slash at its end.

    `override` is the operator's own base, of a stand-in for example; no data centre is looked at then.
    `data_centre` is the one that came with an OAuth token, which does not name it as keys do.

    Raises:
        StopRun: when there is no data centre, neither given nor at the key's end.
        TellOperator: when the override is not a base that can be called.
    """
    if override is not None:
        return _other_base(override)
    if data_centre is not None:
        return of_data_centre(data_centre)
    _, dash, data_centre = api_key.rpartition("-")
    if not dash:
        raise _no_data_centre()
    return of_data_centre(data_centre)


def of_data_centre(data_centre: str) -> str:
    """Give the base of a data centre, wherever its name came from.

    The host is built only from a name that matches as a whole, so that no key and no foreign
    document can lead credentials to another host.

    Raises:
        StopRun: when it is not the name of a data centre.
    """
    if not is_data_centre(data_centre):
        raise _no_data_centre()
    return f"https://{data_centre}.api.mailchimp.com{_VERSION}"


def is_data_centre(name: str) -> bool:
    """Tell whether it is the name of a data centre, all of it."""
    return _DATA_CENTRE.fullmatch(name) is not None


def _no_data_centre() -> StopRun:
    return StopRun(
        "The connection's API key does not end in a Mailchimp data centre such as -us21: "
        "copy the whole key from Mailchimp's account settings and apply it again."
    )


def _other_base(override: str) -> str:
    if not can_be_called(override):
        raise TellOperator(
            "The other base URL set for Mailchimp is not one that can be called: "
            "set it to http:// or https:// with a host, and no user, query or fragment."
        )
    return override.rstrip("/").removesuffix(_VERSION) + _VERSION


def can_be_called(base: str) -> bool:
    """Tell whether an operator's base is one: http:// or https:// with a host, and nothing else in it."""
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL:
        return False
    has_extras = url.userinfo or url.query or url.fragment or base.endswith(("?", "#"))
    return url.scheme in {"http", "https"} and bool(url.host) and not has_extras
