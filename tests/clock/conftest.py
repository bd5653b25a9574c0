from collections.abc import Sequence

import pytest
import redis

from producer.application import Producer
from tests.clock.installation import environment_of
from worker.broker import Doorbell
from worker.settings import Settings
from worker.state.scripts import Bell


class SilentBell(Doorbell):
    """Nobody listens: the ledger alone is looked at."""

    def __init__(self) -> None:
        self.rung: list[Bell] = []

    def ring(self, bells: Sequence[Bell]) -> None:  # type: ignore[override]
        self.rung += bells


@pytest.fixture
def bell() -> SilentBell:
    return SilentBell()


@pytest.fixture
def environment(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment_of(valkey, tmp_path_factory.mktemp("clock"))


@pytest.fixture
def producer(
    redis_client: "redis.Redis",
    bell: SilentBell,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Producer:
    """A producer on the embedded server."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Producer(Settings.from_environment(), client=redis_client, doorbell=bell)
