import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fakeredis
import httpx
import pytest
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from fastapi import FastAPI

from producer.access import Role
from producer.application import Producer
from producer.http.app import create_app
from tests.producer.conftest import Work, define
from worker.broker import NAMESPACE, Doorbell
from worker.settings import Settings


@dataclass
class Caller:
    """Calls an application in this process with a token."""

    app: FastAPI
    token: str = ""
    address: str = "192.0.2.1"
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._call(method, path, options))

    async def _call(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(self.address, 4711))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= self.headers | options.pop("headers", {})
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
            return await client.request(method, path, **options)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", "redis://somebody:secret@127.0.0.1:1/0")
    monkeypatch.setenv("SEGMENT_EXPORT_STORE_URL", (tmp_path / "store").as_uri())
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", base64.b64encode(bytes(range(32))).decode())
    return Settings.from_environment()


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    """A producer whose Redis and queue are fakes in this process; it has the usual catalog."""
    server = fakeredis.FakeServer()
    client: redis.Redis = fakeredis.FakeRedis(server=server, decode_responses=True)
    broker = RedisBroker(client=fakeredis.FakeRedis(server=server), namespace=NAMESPACE, middleware=[])  # type: ignore[no-untyped-call]
    made = Producer(settings, client=client, doorbell=Doorbell(broker))
    define(made)
    yield made
    client.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What the application logs; to be looked at, and not to be drawn."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def work(producer: Producer) -> Work:
    return Work(producer)


@pytest.fixture
def app(producer: Producer) -> FastAPI:
    return create_app(producer)


@pytest.fixture
def nobody(app: FastAPI) -> Caller:
    return Caller(app)


def token(producer: Producer, role: str) -> str:
    secret, _ = producer.tokens.create(f"a {role}", role, by="tests", now=datetime.now(UTC))
    return secret


@pytest.fixture
def callers(app: FastAPI, producer: Producer) -> dict[Role, Caller]:
    return {role: Caller(app, token(producer, role)) for role in Role}


@pytest.fixture
def administrator(callers: dict[Role, Caller]) -> Caller:
    return callers[Role.ADMINISTRATOR]


@pytest.fixture
def contributor(callers: dict[Role, Caller]) -> Caller:
    return callers[Role.CONTRIBUTOR]


@pytest.fixture
def viewer(callers: dict[Role, Caller]) -> Caller:
    return callers[Role.VIEWER]
