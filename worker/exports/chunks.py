"""A chunk: at most 500 members, uploaded in one call; the unit of retry."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a chunk does to its members."""

    UPSERT = "upsert"
    TAG = "tag"
    UNTAG = "untag"
    ARCHIVE = "archive"
    MOVE = "move"


class StagedChunk(msgspec.Struct, frozen=True):
    """A chunk as planning leaves it in the store.

    `body` is the finished JSON of the batch call. `rows` holds a little-endian u32 for each member, the
    1-based row in its segment's source; `segments` a u8 for each member, the index of that segment
    in the export's list. Both exist so that a refusal can be traced to its profile. `known` holds a u8 for
    each member, the code of the status it was known to have (`worker.exports.statuses`), or is empty.

    Of other kinds `body` is a JSON list of addresses (of moves: of pairs, the old and the new one), and
    `target` the id of the tag. `people` is how many of them count as removed when the chunk is done: somebody
    who loses two tags counts once.
    """

    number: int
    count: int
    body: bytes
    rows: bytes
    segments: bytes
    known: bytes = b""
    kind: Kind = Kind.UPSERT
    target: str = ""
    people: int = 0


def without(chunk: StagedChunk, out: AbstractSet[str]) -> StagedChunk:
    """A chunk of plain addresses without these."""
    kept = [address for address in msgspec.json.decode(chunk.body, type=list[str]) if address not in out]
    return msgspec.structs.replace(chunk, count=len(kept), body=msgspec.json.encode(kept))


def part_of(chunk: StagedChunk, positions: Sequence[int], body: bytes) -> StagedChunk:
    """The chunk with only the members at these positions, whose body is given."""
    rows = [chunk.rows[4 * at : 4 * at + 4] for at in positions]
    return msgspec.structs.replace(
        chunk,
        count=len(positions),
        body=body,
        rows=b"".join(rows),
        segments=bytes(chunk.segments[at] for at in positions),
        known=bytes(chunk.known[at] for at in positions) if chunk.known else b"",
    )
