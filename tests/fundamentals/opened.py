"""Everything in a store, opened: what somebody would see who had the keys."""

import io
from pathlib import Path

import polars as pl
import zstandard

from worker.keyring import Keyring


def everything_opened(store: Path, keyring: Keyring) -> bytes:
    """The names and the contents of all objects, hashes as text."""
    paths = sorted(path for path in store.rglob("*") if path.is_file() and ".scratch" not in path.parts)
    return b"\n".join(_opened(store, path, keyring) for path in paths)


def _opened(store: Path, path: Path, keyring: Keyring) -> bytes:
    name = str(path.relative_to(store))
    room, _, rest = name.partition("/")
    sealed = path.read_bytes()
    match room:
        case "snapshots":
            return name.encode() + _shown(keyring.open(sealed, f"snapshot/{rest}"))
        case "reports":
            packed = keyring.open(sealed, f"report/{rest}")
            return name.encode() + zstandard.ZstdDecompressor().decompress(packed)
        case "audiences":
            content = keyring.open(sealed, name)
            return name.encode() + _frame(pl.read_ipc(io.BytesIO(content[content.index(b"ARROW1") :])))
    raise AssertionError(f"nobody knows how {name} is opened")


def _shown(content: bytes) -> bytes:
    """A shard as text; a manifest as it is."""
    return _frame(pl.read_parquet(io.BytesIO(content))) if content.startswith(b"PAR1") else content


def _frame(frame: pl.DataFrame) -> bytes:
    return frame.select(pl.all().cast(pl.String)).write_csv().encode()
