"""Stages what a plan yields, part by part, and offers each part to the connection's slots at once."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

import polars as pl

from worker.exports.chunks import StagedChunk
from worker.exports.outcomes import ReportLine
from worker.state.runs import PlanClaim, Runs
from worker.state.scripts import Bell
from worker.store.objects import Objects, Sealer
from worker.store.packs import PartWriter
from worker.store.reports import write_part
from worker.store.snapshots import SnapshotWriter

CANARY, MOVES, UPLOADS, REMOVALS = 0, 0.5, 1, 2
"""Phases of a run: nothing of a later one begins while a chunk of an earlier one is open."""


class VoidPlan(Exception):
    """Another plan has taken over, or the run was stopped: nothing more is to be done here."""


class Stager:
    """The writing half of a plan. Parts are small at first, so that uploads begin at once.

    `tagged` (`address_hash`, `tags`) are those whose tags stay on them whatever segments they have left.
    """

    def __init__(
        self,
        claim: PlanClaim,
        *,
        runs: Runs,
        objects: Objects,
        sealer: Sealer,
        ring: Callable[[list[Bell]], None],
        snapshot: SnapshotWriter,
        tagged: pl.DataFrame | None = None,
        keep_sent: bool = False,
    ) -> None:
        self._claim = claim
        self._runs = runs
        self._objects = objects
        self._sealer = sealer
        self._ring = ring
        self._snapshot = snapshot
        self._tagged = tagged
        self._keep_sent = keep_sent
        self._writer = PartWriter(objects, sealer, claim.run_id, claim.epoch)
        self._reports: list[str] = []
        self._sent: list[pl.DataFrame] = []
        self.next_number = 0

    @property
    def sent(self) -> pl.DataFrame:
        """Everybody who is sent, as `email` and `tags`."""
        return pl.concat([pl.DataFrame(schema={"email": pl.String, "tags": pl.UInt64}), *self._sent])

    def stage(self, items: Iterable[StagedChunk | list[ReportLine] | pl.DataFrame], *, phase: float) -> None:
        """Stages chunks of one phase, report lines, and the rows that the snapshot is to remember.

        Raises:
            VoidPlan: the plan is no longer the run's.
        """
        sizes, waiting = _part_sizes(phase), 0
        size = next(sizes)
        for item in items:
            if isinstance(item, list):
                self._report(item)
            elif isinstance(item, pl.DataFrame):
                self._remember(item)
            else:
                self._writer.add(item)
                self.next_number = item.number + 1
                waiting += 1
            if waiting == size:
                self._offer(phase)
                waiting, size = 0, next(sizes)
        self._offer(phase)

    def seal(self) -> None:
        """Says that nothing comes any more.

        Raises:
            VoidPlan: the plan is no longer the run's.
        """
        self._ring(_valid(self._runs.seal(self._claim, self._reports)))

    def _report(self, lines: list[ReportLine]) -> None:
        name = f"plan-{self._claim.epoch}-{len(self._reports):05d}"
        write_part(self._objects, self._sealer, self._claim.run_id, name, lines)
        self._reports.append(name)

    def _remember(self, rows: pl.DataFrame) -> None:
        if self._keep_sent:
            self._sent.append(rows.select("email", "tags"))
        if self._tagged is not None:
            had = self._tagged.select("address_hash", had="tags")
            rows = rows.join(had, on="address_hash", how="left", maintain_order="left")
            rows = rows.with_columns(pl.col("tags") | pl.col("had").fill_null(0))
        self._snapshot.add(rows)

    def _offer(self, phase: float) -> None:
        committed = self._writer.commit()
        if not committed:
            return
        # moves and removals hold no profiles of this run: none of them can fail to arrive
        profiles = phase in {CANARY, UPLOADS}
        chunks = [
            (f"{self._claim.epoch}-{number:06d}", count if profiles else 0, at)
            for number, count, at in committed
        ]
        self._ring(_valid(self._runs.offer(self._claim, chunks, phase=phase)))


def _part_sizes(phase: float) -> Iterator[float]:
    """Small parts first, so that uploads begin at once; larger ones then, so that objects are few.

    The slots of a connection fill one after the other, too: calls that all end at once wait for each other.
    What goes before the uploads is offered as a whole, for they begin when nothing of it is open.
    """
    if phase < UPLOADS:
        yield math.inf
    yield from (4, 8, 16)
    yield from repeat(32)


def _valid(answer: tuple[bool, list[Bell]]) -> list[Bell]:
    still_ours, bells = answer
    if not still_ours:
        raise VoidPlan
    return bells
