"""A desk in front of an installation that is somewhere else: it carries operations out over HTTP."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec
from pydantic import ValidationError

from producer.desk import Desk
from producer.operations.documents import Page
from producer.remote import faults
from producer.remote.calls import CALLS, ROWS, Call
from producer.remote.door import URL, Door
from producer.remote.requests import YAML, Asked, arguments_of, holds_key, request_of
from worker.errors import UsageError
from worker.exports.outcomes import ReportLine

if TYPE_CHECKING:
    from producer.following import Follower
    from producer.remote.wire import Wire

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = 200
_MOST_PAGES: Final = 1000


class RemoteDesk:
    """Who asks is whom the token was made for: the other side knows, and asks the rules."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._special: dict[str, Callable[[dict[str, Any]], Any]] = {
            "apply_catalog": self._apply,
            "rejected_rows": self._rejected,
            "watch_run": self._watch,
        }

    def carry_out(
        self, function: Callable[Concatenate[Desk, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Does there what the operation does here, and gives back the same.

        Raises:
            SegmentExportError: it was refused, or nothing usable was answered.
        """
        result: T = self._done(function.__name__, arguments_of(function, args, kwargs))
        return result

    def idle(self) -> bool:
        """Nobody sees from here whether workers are there."""
        return False

    def close(self) -> None:
        """Hangs up."""
        if "_wire" in self.__dict__:
            self._wire.close()

    @cached_property
    def _wire(self) -> "Wire":
        from producer.remote.wire import Wire  # noqa: PLC0415 (slow, and help calls nobody)

        return Wire(self._door)

    def _done(self, name: str, arguments: dict[str, Any]) -> Any:
        if special := self._special.get(name):
            return special(arguments)
        if name not in CALLS:
            raise UsageError(f"{name} can't be done by way of {URL}: do it on a machine of the installation.")
        call = CALLS[name]
        return self._pages(call, arguments) if call.paged else self._ask(call, arguments)

    def _ask(self, call: Call, arguments: dict[str, Any]) -> Any:
        if not self._door.fit_for_keys and holds_key(arguments):
            faults.refuse_key(self._door)
        return self._read(call, request_of(call, arguments))

    def _read(self, call: Call, asked: Asked) -> Any:
        answer = self._wire.ask(asked, call.patience)
        try:
            return call.read(answer)
        except (msgspec.ValidationError, ValidationError, LookupError, TypeError):
            raise faults.strange(self._door) from None

    def _pages(self, call: Call, arguments: dict[str, Any]) -> Page[Any]:
        """A list as long as it was asked for: the other side gives it in parts."""
        wanted, items = arguments["limit"], list[Any]()
        for _ in range(_MOST_PAGES):
            most = _AT_ONCE if wanted is None else min(_AT_ONCE, wanted - len(items))
            page = self._ask(call, arguments | {"limit": most})
            items += page.items
            if page.next is None or len(items) == wanted:
                return Page(items, page.next)
            arguments["after"] = page.next
        raise faults.strange(self._door)

    def _apply(self, arguments: dict[str, Any]) -> Any:
        from producer.remote.applying import apply  # noqa: PLC0415 (it loads YAML)

        file: Path = arguments["file"]
        return apply(self._door, file, self._send)

    def _send(self, content: bytes) -> Any:
        call = CALLS["apply_catalog"]
        return self._read(call, Asked(call.method, f"/v1{call.path}", {}, content, YAML))

    def _rejected(self, arguments: dict[str, Any]) -> Iterator[ReportLine]:
        asked = request_of(ROWS, arguments | {"format": "ndjson"})
        rows = self._wire.rows(asked, ROWS.patience)
        next(rows)  # what is refused is told now
        return self._lines(rows)

    def _lines(self, rows: Iterator[bytes]) -> Iterator[ReportLine]:
        for row in rows:
            try:
                values = msgspec.json.decode(row, type=dict[str, Any])
                line = msgspec.convert([values[name] for name in ReportLine.__struct_fields__], ReportLine)
            except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, RecursionError):
                raise faults.strange(self._door) from None
            yield line

    def _watch(self, arguments: dict[str, Any]) -> "Follower":
        from producer.remote.watching import watch  # noqa: PLC0415 (only whoever waits needs it)

        return watch(self, arguments["run_ids"])
