"""A stand-in for each test, and a caller."""

from collections.abc import Iterator

import pytest

from tests.mailchimp_standin import AudienceHandle, Standin
from tests.mailchimp_standin.caller import Caller


@pytest.fixture
def standin(caplog: pytest.LogCaptureFixture) -> Iterator[Standin]:
    with Standin() as started:
        yield started
    # whatever its callers do, the server itself has nothing to complain of
    assert [record for record in caplog.get_records("call") if record.name.startswith("aiohttp")] == []


@pytest.fixture
def audience(standin: Standin) -> AudienceHandle:
    return standin.audience()


@pytest.fixture
def caller(standin: Standin) -> Iterator[Caller]:
    with Caller(standin.url) as started:
        yield started


@pytest.fixture
def standin_brief() -> Iterator[Caller]:
    with Standin(answers="brief") as started, Caller(started.url) as calling:
        yield calling
