"""A dry run: reads, compares and tells what a run would do; sends nothing and keeps nothing."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from worker.exports.examples import by_fate, examples
from worker.exports.guard import reasons
from worker.exports.masking import masked
from worker.exports.plan import EXAMPLES
from worker.exports.preview import Example, Group, NewField, Preview
from worker.jobs.comparing import Compared, Comparing, Wish
from worker.jobs.memory import Memory
from worker.sources import open_segment
from worker.state.catalog import Catalog

_LEFT: Final = pl.col("lost") != 0


class PreviewJob:
    """The job behind `run EXPORT --dry-run`, in the command's own process."""

    def __init__(
        self, *, catalog: Catalog, comparing: Comparing, memory: Memory, source_roots: Sequence[Path] = ()
    ) -> None:
        self._catalog = catalog
        self._source_roots = source_roots
        self._comparing = comparing
        self._memory = memory

    def preview(self, name: str, *, full: bool = False, show: bool = False) -> Preview:
        """What a run of the export on demand would do; addresses are masked unless they are to be shown.

        Raises:
            UsageError: there is no such export.
            RetryLater: Mailchimp or the store can't be asked for the moment.
            StopRun: the export can't be run.
        """
        export, connection, segments = self._catalog.export_bundle(name)
        with ExitStack() as stack:
            tables = [
                stack.enter_context(open_segment(each.name, each.source, None, self._source_roots))
                for each in segments
            ]
            wish = Wish(full=full, dry=True)
            compared = self._comparing.compare(export, connection, segments, tables, wish)
            return self._told(compared, str if show else masked)

    def _told(self, compared: Compared, shown: Callable[[str], str]) -> Preview:
        export, found, previous = compared.export, compared.found, compared.previous
        fates = by_fate(found, previous.rows if previous else None, compared.moves)
        people = examples(found, fates)
        groups = {fate: _group(rows.len(), people[fate], shown) for fate, rows in fates.items()}
        return Preview(
            export=export.name,
            audience_id=export.audience_id,
            first=previous is None,
            full=compared.full,
            read=found.counts()["read"],
            would=groups | self._leaving(compared, shown),
            new_merge_fields=[NewField(field.tag, field.type) for field in compared.new_fields],
            lint=found.lint(),
            guard=reasons(self._comparing.change(compared, ""), export.guard) or None,
        )

    def _leaving(self, compared: Compared, shown: Callable[[str], str]) -> dict[str, Group]:
        left = compared.left.filter(~pl.col("moved"))
        archives = compared.export.on_leave == "archive"
        archived = left.filter("gone") if archives else left.clear()
        untagged = left.filter(_LEFT & ~pl.col("gone") if archives else _LEFT)
        return {
            "untagged": self._leavers(compared, untagged, shown),
            "archived": self._leavers(compared, archived, shown),
        }

    def _leavers(self, compared: Compared, left: pl.DataFrame, shown: Callable[[str], str]) -> Group:
        if compared.previous is None or left.is_empty():
            return Group(0)
        tags = compared.found.settings.tags
        people = [
            Example(email, why=", ".join(name for bit, name in enumerate(tags) if lost >> bit & 1))
            for email, lost in self._memory.addresses(compared.previous, left.head(EXAMPLES))
            .select("email", "lost")
            .iter_rows()
        ]
        return _group(left.height, people, shown)


def _group(count: int, people: list[Example], shown: Callable[[str], str]) -> Group:
    return Group(count, [msgspec.structs.replace(each, email=shown(each.email)) for each in people])
