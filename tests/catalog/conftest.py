from collections.abc import Callable
from pathlib import Path

import fakeredis
import pytest
import redis

from worker.keyring import Keyring
from worker.state.catalog import Catalog

Write = Callable[[str | bytes], Path]


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([b"k" * 32])


@pytest.fixture
def fake() -> "redis.Redis":
    client: redis.Redis = fakeredis.FakeRedis(decode_responses=True)
    return client


@pytest.fixture
def catalog(fake: "redis.Redis") -> Catalog:
    return Catalog(fake)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "catalog.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
