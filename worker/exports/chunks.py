"""A chunk: at most 500 members, uploaded in one call; the unit of retry."""

import msgspec


class StagedChunk(msgspec.Struct, frozen=True):
    """A chunk as planning leaves it in the store.

    `body` is the finished JSON of the batch call. `rows` holds a little-endian u32 for each member, the
    1-based row in its segment's source; `segments` a u8 for each member, the index of that segment
    in the export's list. Both exist so that a refusal can be traced to its profile.
    """

    number: int
    count: int
    body: bytes
    rows: bytes
    segments: bytes
