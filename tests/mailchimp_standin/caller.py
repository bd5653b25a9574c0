"""A plain caller for tests of the stand-in itself, and to look at one by hand."""

import hashlib
from types import TracebackType
from typing import Any, Self

import httpx

from .world import API_KEY, LIST_ID


class Caller:
    """Calls with an account's key; nothing is retried, nothing is checked."""

    def __init__(self, url: str, *, api_key: str = API_KEY, list_id: str = LIST_ID) -> None:
        self.list = f"/3.0/lists/{list_id}"
        self.http = httpx.Client(base_url=url, auth=("any", api_key), timeout=10, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def batch(
        self, *members: dict[str, Any], update_existing: bool = True, query: str = "", **body: Any
    ) -> httpx.Response:
        document = {"members": members, "update_existing": update_existing, **body}
        return self.http.post(f"{self.list}{query}", json=document)

    def member(self, address: str) -> str:
        """A member's path."""
        digest = hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()
        return f"{self.list}/members/{digest}"

    def get(self, path: str, **query: str | int) -> Any:
        """The document below the audience's path."""
        return self.http.get(self.list + path, params=query).json()
