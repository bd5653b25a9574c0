"""Chunks that are no uploads: tags taken off who left a segment or put on, people archived."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import polars as pl

from worker.exports.chunks import Kind, StagedChunk

_SIZE = 500
_ONE_BY_ONE = 50
"""Archiving and moving is a call a person; a chunk of them must not outlast its worker's patience."""


def untag_chunks(left: pl.DataFrame, tag_ids: Mapping[int, int], first_number: int) -> Iterator[StagedChunk]:
    """Chunks that take tags off, by the bit of the tag's segment.

    `left` has `email`, `lost` and `moved`, who has another address now and does not count as removed.
    `tag_ids` gives Mailchimp's id of the tag of each bit that still exists.
    """
    counted = 0
    number = first_number
    for bit, tag_id in tag_ids.items():
        mask = pl.col("lost").cast(pl.UInt64) & pl.lit(1 << bit, dtype=pl.UInt64)
        losing = left.filter(mask != 0)
        earlier = losing.select((pl.col("lost") & pl.lit(counted, dtype=pl.UInt64)) == 0).to_series()
        for start in range(0, losing.height, _SIZE):
            people = int((earlier & ~losing["moved"]).slice(start, _SIZE).sum())
            emails = losing["email"].slice(start, _SIZE).to_list()
            yield _chunk(number, Kind.UNTAG, emails, people, str(tag_id))
            number += 1
        counted |= 1 << bit


def tag_chunks(sent: pl.DataFrame, bit: int, tag_id: int, first_number: int) -> Iterator[StagedChunk]:
    """Chunks that put the tag of a segment on its members; `sent` has `email` and `tags`."""
    holders = sent.filter((pl.col("tags") & pl.lit(1 << bit, dtype=pl.UInt64)) != 0)["email"]
    for at, start in enumerate(range(0, holders.len(), _SIZE)):
        emails = holders.slice(start, _SIZE).to_list()
        yield _chunk(first_number + at, Kind.TAG, emails, 0, str(tag_id))


def move_chunks(pairs: Sequence[tuple[str, str]], first_number: int) -> Iterator[StagedChunk]:
    """Chunks that move members from their old address to their new one."""
    for at, start in enumerate(range(0, len(pairs), _ONE_BY_ONE)):
        part = pairs[start : start + _ONE_BY_ONE]
        chunk = _chunk(first_number + at, Kind.MOVE, [], 0, "")
        yield msgspec.structs.replace(chunk, count=len(part), body=msgspec.json.encode(part))


def archive_chunks(left: pl.DataFrame, first_number: int) -> Iterator[StagedChunk]:
    """Chunks that archive those who have left all segments; `left` has `moved` as for `untag_chunks`."""
    gone = left.filter("gone").select("email", "moved")
    for at, part in enumerate(gone.iter_slices(_ONE_BY_ONE)):
        people = int((~part["moved"]).sum())
        yield _chunk(first_number + at, Kind.ARCHIVE, part["email"].to_list(), people, "")


def without_a_tag(left: pl.DataFrame, tag_ids: Mapping[int, int]) -> int:
    """How many people have nothing left to be taken off: their tags are gone from the audience."""
    bits = sum(1 << bit for bit in tag_ids)
    return left.filter((pl.col("lost") & pl.lit(bits, dtype=pl.UInt64)) == 0).height


def _chunk(number: int, kind: Kind, emails: Sequence[str], people: int, target: str) -> StagedChunk:
    return StagedChunk(
        number=number,
        count=len(emails),
        body=msgspec.json.encode(emails),
        rows=b"",
        segments=b"",
        kind=kind,
        target=target,
        people=people,
    )
