"""A snapshot's manifest: what makes a heap of shards a snapshot."""

from typing import Annotated, Final

import msgspec

from worker.exports.hashes import WIDTH
from worker.exports.quarantine import Quarantined
from worker.store.interface import Objects, Sealer
from worker.store.snapshot_place import Place

FORMAT: Final = 1
MANIFEST: Final = "manifest"

Rows = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds, beside its rows.

    Bit n of a row's `tags` stands for the tag `tags[n]`. `shards` has the number of rows of each shard;
    `excluded` the address hashes (16 bytes each, little-endian) of rows that don't count, since their members
    were not accepted in the end; `members` is the number of rows without these. `quarantine` holds who was
    refused. `segments` names the segment behind each tag. `made_at` and `last_full` are times in ISO 8601.
    """

    export: str
    version: str
    audience_id: str
    tags: tuple[str, ...]
    shards: tuple[Rows, ...]
    members: Count
    made_at: str
    last_full: str
    excluded: bytes = b""
    late: Count = 0
    quarantine: tuple[Quarantined, ...] = ()
    segments: tuple[str, ...] = ()
    format: int = FORMAT

    def __repr__(self) -> str:
        # millions of bytes otherwise
        return f"Manifest(export={self.export!r}, version={self.version!r}, members={self.members})"

    def __post_init__(self) -> None:
        if len(self.excluded) % WIDTH:
            raise ValueError("Excluded addresses are hashes of 16 bytes each, and the last one is not whole.")


class _Header(msgspec.Struct):
    format: int


def write_manifest(objects: Objects, keyring: Sealer, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all."""
    place = Place(objects, keyring, manifest.export, manifest.version)
    place.write(MANIFEST, msgspec.msgpack.encode(manifest))


def parse_manifest(place: Place, content: bytes) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        UnreadableSnapshot: it is of another format, or nothing of the kind.
    """
    try:
        found = msgspec.msgpack.decode(content, type=_Header).format
        if found == FORMAT:
            return msgspec.msgpack.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise place.unreadable("its manifest holds something else.") from None
    raise place.unreadable(
        f"it has format {found} and this version of segment-export knows format {FORMAT} only."
    )
