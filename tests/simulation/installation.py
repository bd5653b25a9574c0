"""One export of two segments, installed in the simulation, with its audience at the stand-in."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import redis

from tests.mailchimp_standin import LIST_ID, Standin
from tests.mailchimp_standin.reports import StatusChange
from tests.mailchimp_standin.validation import MergeField
from tests.simulation.driver import CALM, Driver, Weather
from tests.simulation.expected import Manner, Row
from worker.errors import SegmentExportError
from worker.exports.definitions import Connection, Consent, Export, Segment
from worker.exports.outcomes import ReportLine
from worker.exports.runs import RunDocument
from worker.store.audiences import load_audience
from worker.store.reports import read_lines
from worker.store.snapshots import read_manifest

CHUNK: Final = 3
_LOOKS: Final = range(1, 5_000)
EXPORT, CONNECTION = "weekly", "newsletter"
SEGMENTS: Final = ("loyal", "churning")
COLUMNS: Final = {"FNAME": "first_name", "CITY": "city", "VISITS": "visits"}
_KINDS: Final = {"email": pl.String, "first_name": pl.String, "city": pl.String, "visits": pl.Int64}


class Installation:
    """A driver, a catalog, an audience, and the files that refreshes leave."""

    def __init__(
        self,
        client: "redis.Redis",
        url: str,
        standin: Standin,
        folder: Path,
        *,
        dialect: Any,
        required: bool,
    ) -> None:
        client.flushall()
        standin.clear_faults()
        standin.audience().delete()
        self.standin = standin
        self.audience = standin.add_audience(LIST_ID)
        self.audience.configure(dialect=dialect)
        self.audience.add_merge_field(MergeField(tag="CITY", name="City", type="text"))
        self.audience.add_merge_field(MergeField(tag="VISITS", name="Visits", type="number"))
        if required:
            self.audience.delete_merge_field("FNAME")
            self.audience.add_merge_field(
                MergeField(tag="FNAME", name="First name", type="text", required=True)
            )
        self.driver = Driver(url, standin, chunk=CHUNK, run_deadline=timedelta(hours=1))
        self.runs = 0
        self._client = client
        self._folder = folder
        self._changes_seen = 0

    def apply(self, manner: Manner, **more: Any) -> None:
        """Declares the export anew."""
        consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
        connection = Connection(
            name=CONNECTION, type="mailchimp", api_key="env:MAILCHIMP_API_KEY", consent=consent
        )
        source = str(self._folder / "{refresh_id}" / "{segment}.parquet")
        segments = [
            Segment(name=name, display_name=tag, source=source)
            for name, tag in zip(SEGMENTS, manner.tags, strict=True)
        ]
        export = Export(
            name=EXPORT,
            connection=CONNECTION,
            audience_id=LIST_ID,
            segments=SEGMENTS,
            email="email",
            attributes=COLUMNS,
            mode=manner.mode,
            on_leave=manner.on_leave,
            status_if_new=manner.status_if_new,
            **more,
        )
        self.driver.catalog.save([connection], segments, [export])

    def refresh(
        self,
        tables: Sequence[Sequence[Row]],
        weather: Weather = CALM,
        *,
        full: bool = False,
        cancel: int = 0,
        hook: Callable[[], None] | None = None,
    ) -> RunDocument:
        """Runs the export to its end; `cancel` is the look outwards at which somebody cancels it.

        `hook` is called at every look.
        """
        self.runs += 1
        # statuses that were changed before are told by whole seconds
        self.driver.wait(timedelta(minutes=1))
        run_id, refresh_id = f"run-{self.runs}", f"refresh-{self.runs}"
        self._write(self._folder / refresh_id, tables)
        self.standin.reset_statistics()

        hooks = dict.fromkeys(_LOOKS, hook) if hook else {cancel: self.cancel} if cancel else {}
        self.driver.start(run_id, EXPORT, refresh_id=refresh_id, segments=SEGMENTS, full=full)
        return self.driver.finish(run_id, weather, hooks)

    def cancel(self) -> None:
        """Cancels the run that was started last."""
        stop = self.driver.runs.stop
        self.driver.hear(stop(f"run-{self.runs}", status="canceled", sentence="Canceled.")[1])

    def calls(self) -> dict[str, int]:
        """Calls of the last run, by endpoint."""
        return self.standin.account().statistics().calls

    def reported(self, run_id: str) -> tuple[Counter[str], bool]:
        """Lines of a run's report, by outcome; and whether it says that there should be more."""
        lines = self.lines(run_id)
        named = [line for line in lines if line.code != "not_planned"]
        return Counter(line.outcome for line in named), len(named) < len(lines)

    def lines(self, run_id: str) -> list[ReportLine]:
        """A run's report."""
        parts, keyring = self.driver.runs.report_parts(run_id), self.driver.settings.keyring()
        return list(read_lines(self.driver.store, keyring, run_id, parts))

    def new_status_changes(self) -> list[StatusChange]:
        """Changes of members' statuses by calls, since this was asked last."""
        changes = self.audience.status_changes()[self._changes_seen :]
        self._changes_seen += len(changes)
        return [change for change in changes if change.via == "api"]

    def is_tidy(self) -> bool:
        """Whether nothing that was staged is left in the store."""
        return not [path for path in self.driver.store.held if path.startswith("staged/")]

    def whole_at(self) -> datetime | None:
        """When the whole audience was read last, as far as that is remembered."""
        remembered = load_audience(self.driver.store, self.driver.settings.keyring(), CONNECTION, LIST_ID)
        return remembered.whole_at if remembered else None

    def remembers(self, run_id: str) -> bool:
        """Whether the snapshot that counts is that of this run."""
        return self.driver.runs.snapshot(EXPORT).startswith(f"{run_id}-")

    def tags_remembered(self) -> tuple[str, ...]:
        """The tags of the snapshot that counts."""
        version, keyring = self.driver.runs.snapshot(EXPORT), self.driver.settings.keyring()
        try:
            return read_manifest(self.driver.store, keyring, EXPORT, version or "none").tags
        except SegmentExportError:
            return ()

    def lose_snapshot(self, how: str) -> bool:
        """Loses what Redis knows of it, its manifest or a part of it, or tears it; False if there is none."""
        held = self.driver.store.held
        ending = ".hashes" if how == "shard" else "manifest"
        found = [path for path in held if path.startswith("snapshots/") and path.endswith(ending)]
        if how == "key":
            self._client.delete(f"se:export:{EXPORT}:snapshot")
        for path in found if how in {"manifest", "shard"} else []:
            del held[path]
        for path in found if how == "torn" else []:
            held[path] = (held[path][0][:-1], held[path][1])
        return bool(found)

    def _write(self, folder: Path, tables: Sequence[Sequence[Row]]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, table in zip(SEGMENTS, tables, strict=True):
            rows = [
                {"email": row.address or "nobody"} | {COLUMNS[tag]: cell for tag, cell in row.fields.items()}
                for row in table
            ]
            pl.DataFrame(rows, schema=_KINDS).write_parquet(folder / f"{name}.parquet")
