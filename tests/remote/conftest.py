"""An installation with fakes, its API in this process, and a command line that goes to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from producer.application import Producer
from producer.cli import cli
from producer.remote.door import Door
from producer.remote.elsewhere import Elsewhere
from tests.producer.conftest import catalog, producer, served, settings, work
from tests.remote.serving import Served

__all__ = ["catalog", "producer", "served", "settings", "work"]

At: TypeAlias = Callable[[str], Elsewhere]
Command: TypeAlias = Callable[..., Result]


@pytest.fixture
def at(catalog: Producer, served: Served) -> Iterator[At]:
    """What stands where an installation would be, for a token of a role."""
    with ExitStack() as stack:
        yield lambda role: stack.enter_context(served.elsewhere(catalog, role))


def command(where: Producer | Door, *arguments: str) -> Result:
    """The command line, in this process, at a place or at a door."""
    if not isinstance(where, Door):
        return CliRunner().invoke(cli, arguments, obj=where, prog_name="segment-export")
    far = Elsewhere(where)
    try:
        return command(far, *arguments)
    finally:
        far.close()
