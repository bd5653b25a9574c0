import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

import fakeredis
import pytest
import redis
from click.testing import CliRunner, Result
from dramatiq.brokers.redis import RedisBroker

from producer.access import Caller, Role
from producer.application import Producer
from producer.cli import cli
from producer.desk import Desk
from producer.remote.elsewhere import Elsewhere
from tests.remote.serving import Served
from worker.broker import NAMESPACE, Doorbell
from worker.exports.definitions import Connection, Consent, Export, Segment
from worker.settings import Settings
from worker.state.runs import PlanClaim
from worker.state.scripts import Bell
from worker.state.slots import Lease

AUDIENCE = "a1b2c3d4e5"

SegmentExport: TypeAlias = Callable[..., Result]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", "redis://somebody:secret@127.0.0.1:1/0")
    monkeypatch.setenv("SEGMENT_EXPORT_STORE_URL", (tmp_path / "store").as_uri())
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", base64.b64encode(bytes(range(32))).decode())
    monkeypatch.setenv("SEGMENT_EXPORT_SOURCE_ROOTS", str(tmp_path))
    monkeypatch.setenv("SEGMENT_EXPORT_ALLOWED_ENV", "MAILCHIMP_*")
    return Settings.from_environment()


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    """A producer whose Redis and queue are fakes in this process."""
    server = fakeredis.FakeServer()
    client: redis.Redis = fakeredis.FakeRedis(server=server, decode_responses=True)
    broker = RedisBroker(client=fakeredis.FakeRedis(server=server), namespace=NAMESPACE, middleware=[])  # type: ignore[no-untyped-call]
    yield Producer(settings, client=client, doorbell=Doorbell(broker))
    client.close()


@pytest.fixture
def catalog(producer: Producer) -> Producer:
    """The producer with a catalog."""
    define(producer)
    return producer


@pytest.fixture
def desk(catalog: Producer) -> Desk:
    """The desk of an administrator."""
    return Desk(catalog, Caller("ada", Role.ADMINISTRATOR))


@pytest.fixture
def contributor(catalog: Producer) -> Desk:
    """The desk of a contributor."""
    return Desk(catalog, Caller("con", Role.CONTRIBUTOR))


@pytest.fixture
def viewer(catalog: Producer) -> Desk:
    """The desk of a viewer."""
    return Desk(catalog, Caller("vic", Role.VIEWER))


def define(producer: Producer) -> None:
    """Saves two connections, two segments and three exports."""
    consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
    producer.catalog.save(
        [
            Connection(name=name, type="mailchimp", api_key="env:MAILCHIMP_API_KEY", consent=consent)
            for name in ("newsletter", "second")
        ],
        [Segment(name=name, source=f"data/{name}.csv") for name in ("churn", "loyal")],
        [
            _export("both", segments=("loyal", "churn"), connection="second"),
            _export("by-hand", segments=("loyal",), run="manual"),
            _export("weekly", segments=("loyal",), attributes={"FNAME": "first_name"}),
        ],
    )


def _export(name: str, *, connection: str = "newsletter", **keys: object) -> Export:
    return Export.model_validate(
        {"name": name, "connection": connection, "audience_id": AUDIENCE, "email": "email", **keys}
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One suite, two doors: commands are tried in front of the installation, and over its API."""
    if "door" in metafunc.fixturenames and metafunc.definition.get_closest_marker("here") is None:
        metafunc.parametrize("door", ["here", "elsewhere"])


@pytest.fixture
def door() -> str:
    """Where the command line is."""
    return "here"


@pytest.fixture
def segment_export(producer: Producer, door: str, request: pytest.FixtureRequest) -> SegmentExport:
    """The command line, in this process."""
    at = producer if door == "here" else request.getfixturevalue("elsewhere")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj=at, prog_name="segment-export")

    return invoke


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The HTTP API, in this process."""
    with Served() as served:
        yield served


@pytest.fixture
def elsewhere(producer: Producer, served: Served) -> Iterator[Elsewhere]:
    """What stands where the producer would be on the machine of an administrator with a token."""
    with served.elsewhere(producer) as far:
        yield far


@dataclass
class Work:
    """Plays the workers' part in the ledger, a step at a time."""

    producer: Producer
    connection: str = "newsletter"
    bells: list[Bell] = field(default_factory=list)
    claims: dict[str, PlanClaim] = field(default_factory=dict)

    def plan(self, run_id: str, *, read: int, invalid: int = 0, chunk: int = 100) -> None:
        """Plans a run completely: chunks of `chunk` for all that is not invalid."""
        runs = self.producer.runs
        claim = runs.claim_plan(run_id, tries=3)
        assert claim is not None
        runs.survey(
            claim,
            connection=self.connection,
            max_connections=10,
            audience_id=AUDIENCE,
            segments=["loyal"],
            counts={"read": read, "invalid": invalid},
        )
        starts = range(0, read - invalid, chunk)
        chunks = [(f"1-{at:06d}", min(chunk, read - invalid - at), "staged") for at in starts]
        self.bells += runs.offer(claim, chunks)[1]
        self.bells += runs.seal(claim, [])[1]

    def deliver(self, run_id: str, chunks: int, *, members: int = 100, rejected: int = 0) -> None:
        """Begins and settles as many of the granted chunks."""
        for _ in range(chunks):
            self.settle(self.begin(run_id), members, rejected=rejected)

    def begin(self, run_id: str) -> Lease:
        """Begins one of the granted chunks."""
        bell = next(bell for bell in self.bells if bell.kind == "upload" and bell.run_id == run_id)
        self.bells.remove(bell)
        lease = Lease(self.connection, run_id, bell.chunk, bell.token)
        assert self.producer.slots.begin(lease)
        return lease

    def settle(self, lease: Lease, members: int, *, rejected: int = 0) -> None:
        outcomes = {"created": members - rejected, "rejected": rejected}
        took = timedelta(seconds=1)
        self.bells += self.producer.slots.settle(lease, took=took, outcomes=outcomes)[1]

    def finish(self, run_id: str, report_parts: Sequence[str] = ()) -> None:
        claim = self.producer.runs.claim_finish(run_id)
        assert claim is not None
        self.producer.runs.finish(claim, report_parts)

    def do(self, run_id: str, *, read: int = 200, invalid: int = 0, rejected: int = 0) -> None:
        """A run from its plan to its end."""
        self.plan(run_id, read=read, invalid=invalid, chunk=read - invalid)
        self.deliver(run_id, 1, members=read - invalid, rejected=rejected)
        self.finish(run_id)


@pytest.fixture
def work(catalog: Producer) -> Work:
    return Work(catalog)


class InlineWorkers(Doorbell):
    """A doorbell whose workers do each run before they let go of it."""

    def __init__(self, work: Work, **run: int) -> None:
        self._work = work
        self._run = run

    def ring(self, bells: Sequence[Bell]) -> None:  # type: ignore[override]
        for bell in bells:
            if bell.kind == "plan":
                self._work.do(bell.run_id, **self._run)


@pytest.fixture
def workers(work: Work) -> Callable[..., None]:
    """Puts workers behind the doorbell that end each run at once, with these counts."""

    def attend(**run: int) -> None:
        work.producer.doorbell = InlineWorkers(work, **run)

    return attend
