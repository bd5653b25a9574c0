"""Addresses as strangers may see them: d***@e***.com."""

from typing import Final

_HIDDEN: Final = "***"


def masked(address: str) -> str:
    """An address with the first letters of name and domain and the last label; other text with its first."""
    name, at, domain = address.strip().rpartition("@")
    last = domain.rpartition(".")[2]
    if not name or len(last) == len(domain) or not last.isalnum():
        return f"{address.strip()[:1]}{_HIDDEN}"
    return f"{name[0]}{_HIDDEN}{at}{domain[0]}{_HIDDEN}.{last}"
