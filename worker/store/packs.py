"""Staged chunks: packs of finished bodies, readable one by one from any machine.

A part is one object, `staged/{run}/{plan}/{part}`, of a few dozen frames back to back. A frame is a
chunk as msgpack, compressed (zstd 1), then sealed for its run, plan and number, so that no chunk can
stand in for another. Where a frame lies is not in the part but in the ledger, as `part:offset:length`.
"""

import re
from typing import Final

import msgspec
import zstandard

from worker.exports.chunks import StagedChunk
from worker.store.interface import Objects, Sealer, damaged

_LEVEL: Final = 1
_LOCATION: Final = re.compile(r"(\d{1,9}):(\d{1,15}):(\d{1,15})", re.ASCII)


class PartWriter:
    """Writes the chunks of one plan, part by part. For one thread: its compressor is not shared."""

    def __init__(self, objects: Objects, keyring: Sealer, run_id: str, plan: int) -> None:
        self._objects = objects
        self._keyring = keyring
        self._run_id = run_id
        self._plan = plan
        self._part = 0
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._encoder = msgspec.msgpack.Encoder()
        self._frames: list[bytes] = []
        self._members: list[tuple[int, int]] = []

    def add(self, chunk: StagedChunk) -> None:
        """Put a chunk into the part that the next `commit` writes."""
        packed = self._compressor.compress(self._encoder.encode(chunk))
        self._frames.append(self._keyring.seal(packed, _context(self._run_id, self._plan, chunk.number)))
        self._members.append((chunk.number, chunk.count))

    def commit(self) -> list[tuple[int, int, str]]:
        """Write the part; from then on its chunks can be read.

        After an error nothing is lost: the same chunks are written by the next `commit`.

        Returns:
            Number, count of members, and location of each chunk added since the last commit.

        Raises:
            RetryLater: the store can't be reached for the moment.
            TellOperator: the store is full or unfit.
        """
        if not self._frames:
            return []
        self._objects.put(_part(self._run_id, self._plan, self._part), b"".join(self._frames))
        committed = self._located()
        self._part += 1
        self._frames, self._members = [], []
        return committed

    def _located(self) -> list[tuple[int, int, str]]:
        located, offset = [], 0
        for (number, count), frame in zip(self._members, self._frames, strict=True):
            located.append((number, count, f"{self._part}:{offset}:{len(frame)}"))
            offset += len(frame)
        return located


def read_chunk(  # noqa: PLR0917 (all but the keyring are what the ledger says of a chunk, in its order)
    objects: Objects, keyring: Sealer, run_id: str, plan: int, number: int, location: str
) -> StagedChunk:
    """Read one chunk with one range request. Any number of threads may do so at once.

    Raises:
        MissingObject: its part was deleted.
        RetryLater: the store can't be reached for the moment.
        TellOperator: the chunk is not what was written, or no key opens it.
    """
    part, offset, length = _parsed(location, objects.where, run_id)
    path = _part(run_id, plan, part)
    sealed = objects.get_range(path, offset, length)
    packed = keyring.open(sealed, _context(run_id, plan, number))
    try:
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=StagedChunk)
    except (zstandard.ZstdError, msgspec.DecodeError):
        raise damaged(objects.where, path) from None


def drop_staged(objects: Objects, run_id: str) -> None:
    """Delete everything that is staged for a run, whatever the plan."""
    objects.delete_prefix(f"staged/{run_id}")


def _part(run_id: str, plan: int, part: int) -> str:
    return f"staged/{run_id}/{plan}/{part:05d}"


def _context(run_id: str, plan: int, number: int) -> str:
    return f"chunk/{run_id}/{plan}/{number}"


def _parsed(location: str, where: str, run_id: str) -> tuple[int, int, int]:
    found = _LOCATION.fullmatch(location)
    if not found:
        raise damaged(where, f"staged/{run_id}")
    part, offset, length = map(int, found.groups())
    return part, offset, length
