"""What has to hold after every run, looked at from three sides: the ledger, the stand-in, the report."""

from collections import Counter

from tests.catalogs import TAGS
from tests.mailchimp_standin.reports import digest
from tests.profiles import Segments, expected_members
from tests.system import System
from worker.exports.runs import RunDocument

LIMIT = 10


def assert_exact(system: System, run: RunDocument, made: Segments) -> None:
    """The audience equals the segments, the outcomes add up, nobody's status changed, the limit held."""
    audience = system.standin.audience()
    assert audience.digest() == digest(expected_members(made, TAGS))
    assert audience.status_changes() == []
    assert system.standin.account().high_water() <= LIMIT
    assert_accounted(system, run, made)


def assert_accounted(system: System, run: RunDocument, made: Segments) -> None:
    """Every profile read has one outcome, and the report names each that is not there."""
    outcomes = {name: count for name, count in run.profiles.items() if name != "read"}
    assert run.profiles["read"] == made.rows
    assert sum(outcomes.values()) == run.profiles["read"], outcomes
    lines = system.report(run.run_id)
    reported = Counter(line["outcome"] for line in lines)
    not_there = ("invalid", "duplicate", "suppressed", "rejected", "failed")
    assert reported == {name: outcomes[name] for name in not_there if outcomes[name]}
    assert all(line["code"] and line["message"] for line in lines)
