"""People whose every value can be recognised, and the search for them in all that was written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import polars as pl
import redis

from worker.state.client import connect

MARK: Final = "zqmarker"
SECRET: Final = "5ec2e75ec2e75ec2e75ec2e75ec2e7aa"  # noqa: S105 (nobody's)
_AROUND: Final = 60


def person(path: str, number: int = 0, domain: str = "inbox.example", *, mark: str = MARK) -> dict[str, str]:
    """Somebody who goes one path of the system; all that is known of them says which."""
    return {
        "email": f"{mark}.{path}.{number}@{domain}",
        "name": f"{mark.title()}-{path}-{number} Name",
        "city": f"{mark.title()}-{path}-{number} City",
        "since": "2026-01-31",
    }


def people(path: str, count: int) -> pl.DataFrame:
    """So many of them."""
    return pl.DataFrame([person(path, number) for number in range(count)])


def found(needle: str, written: bytes) -> list[str]:
    """Each place where the needle stands, with what is around it, whatever the case of its letters."""
    places = re.finditer(re.escape(needle.encode()), written, re.IGNORECASE)
    return [repr(written[max(0, at.start() - _AROUND) : at.end() + _AROUND]) for at in places]


def files_below(*folders: Path) -> bytes:
    """The names and the bytes of all files."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in paths)


def everything_in(redis_url: str) -> bytes:
    """Every key and every value, of whatever type."""
    with connect(redis_url, text=False) as client:
        keys = sorted(client.scan_iter(count=1000))
        return b"\n".join(key + b"\n" + _value(client, key) for key in keys)


def _value(client: "redis.Redis", key: bytes) -> bytes:
    readers: dict[bytes, Callable[[], object]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: client.xrange(key),
        b"none": lambda: b"",
    }
    kind = cast("bytes", client.type(key))
    return repr(readers[kind]()).encode()
