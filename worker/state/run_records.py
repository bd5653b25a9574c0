"""What the ledger says of runs: for workers, for people, for scripts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import redis

from worker.errors import NotThere
from worker.exports.runs import FINAL, HELD, Lint, RunDocument, Trigger
from worker.state import keys
from worker.state.client import read_hash, read_newest, read_set


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What workers need to know of a run while they work on it.

    `broke_off`: it has ended before its plan was complete, so nobody listed the profiles that were left out.
    """

    run_id: str
    export: str
    status: str
    stop: str
    connection: str
    audience_id: str
    epoch: int
    segments: tuple[str, ...]
    full: bool
    approved: bool
    skip_required: bool
    status_for_all: bool
    broke_off: bool
    trigger: Trigger


class FailedChunk(msgspec.Struct, frozen=True):
    """A chunk that was given up: where it is staged, which members, and the word for why.

    `unsure`: Mailchimp may have taken them all the same.
    """

    location: str
    members: list[int] | None
    reason: str
    unsure: bool = False


class _Record(msgspec.Struct):
    s: str
    p: str
    m: list[int] | None = None
    e: str = ""
    x: int = 0


def _facts(fields: Mapping[str, str]) -> RunFacts:
    return RunFacts(
        run_id=fields["run_id"],
        export=fields["export"],
        status=fields["status"],
        stop=fields.get("stop", ""),
        connection=fields.get("connection", ""),
        audience_id=fields.get("audience_id", ""),
        epoch=int(fields["epoch"]),
        segments=tuple(json.loads(fields.get("segments", "[]"))),
        full=fields["full"] == "1",
        approved=fields.get("approved") == "1",
        skip_required=fields.get("skip_required") == "1",
        status_for_all=fields.get("status_for_all") == "1",
        broke_off=fields.get("broke_off") == "1",
        trigger=msgspec.json.decode(fields["trigger"], type=Trigger),
    )


def _document(fields: Mapping[str, str]) -> RunDocument:
    def number(name: str) -> int:
        return int(fields.get(name, 0))

    def moment(name: str) -> str | None:
        return _iso(fields[name]) if name in fields else None

    status = fields["status"]
    return RunDocument.of(
        run_id=fields["run_id"],
        export=fields["export"],
        trigger=msgspec.json.decode(fields["trigger"], type=Trigger),
        status=status,
        count=number,
        started_at=moment("started_at"),
        finished_at=moment("finished_at") if status in FINAL else None,
        error=fields.get("error"),
        lint=msgspec.json.decode(fields.get("lint", "{}"), type=dict[str, Lint]),
    )


def _iso(ms: Any) -> str:
    return (
        datetime.fromtimestamp(float(ms) / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


_BATCH: Final = 500


class RunRecords:
    """The reading half of the ledger of runs."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def snapshot(self, export: str) -> str:
        """The version of the export's snapshot, '' if it has none."""
        return str(self._client.get(keys.snapshot(export)) or "")

    def active_of(self, export: str) -> str:
        """The run of an export that is queued or at work; '' if there is none, or it waits for a person."""
        run_id = str(self._client.hget(keys.export(export), "active") or "")
        held = bool(run_id) and self._client.hget(keys.run(run_id), "status") == HELD
        return "" if held else run_id

    def facts(self, run_id: str) -> RunFacts | None:
        """What workers need to know of a run; None if it is not remembered."""
        fields = read_hash(self._client, keys.run(run_id))
        return _facts(fields) if fields else None

    def failed_chunks(self, run_id: str) -> dict[str, "FailedChunk"]:
        """The chunks of a run that were given up, by name."""
        records = read_hash(self._client, keys.chunks(run_id))
        decoded = {name: msgspec.json.decode(text, type=_Record) for name, text in records.items()}
        return {
            name: FailedChunk(record.p, record.m, record.e, unsure=bool(record.x))
            for name, record in sorted(decoded.items())
            if record.s == "failed"
        }

    def report_parts(self, run_id: str) -> list[str]:
        """The names of the parts of a run's report, in the order in which they are read."""
        return read_set(self._client, keys.report(run_id))

    def active(self) -> list[str]:
        """Runs that have not ended."""
        return read_set(self._client, keys.ACTIVE)

    def untidy(self) -> list[str]:
        """Runs that have ended and whose staged data is still there."""
        return read_set(self._client, keys.TIDY)

    def document(self, run_id: str) -> RunDocument:
        """The run document.

        Raises:
            NotThere: no such run is remembered.
        """
        fields = read_hash(self._client, keys.run(run_id))
        if not fields:
            raise NotThere(f"There is no run {run_id}: see `segment-export get runs` for those remembered.")
        return _document(fields)

    def recent(
        self, *, export: str | None = None, status: str | None = None, after: str = "", most: int = 50
    ) -> list[RunDocument]:
        """The newest runs first, of one export or of all, in a status; older ones than the run `after`.

        Raises:
            NotThere: the run to go on after is not remembered.
        """
        found: list[RunDocument] = []
        for run_id in self._newest(after):
            fields = read_hash(self._client, keys.run(run_id))
            if fields and export in {None, fields["export"]} and status in {None, fields["status"]}:
                found.append(_document(fields))
            if len(found) == most:
                break
        return found

    def newest_by_export(self) -> dict[str, RunDocument]:
        """The newest run of each export that has any."""
        found: dict[str, RunDocument] = {}
        run_ids = list(self._newest())
        for start in range(0, len(run_ids), _BATCH):
            batch = run_ids[start : start + _BATCH]
            with self._client.pipeline(transaction=False) as pipeline:
                for run_id in batch:
                    pipeline.hget(keys.run(run_id), "export")
                exports = pipeline.execute()
            for run_id, export in zip(batch, exports, strict=True):
                if export and export not in found:
                    found[export] = self.document(run_id)
        return found

    def _newest(self, after: str = "") -> list[str]:
        run_ids = read_newest(self._client, keys.RUNS)
        if after and after not in run_ids:
            raise NotThere("The run to go on after is not remembered: begin with the newest.")
        return run_ids[run_ids.index(after) + 1 :] if after else run_ids
