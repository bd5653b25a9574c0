import pytest

from producer.forecast import forecast
from producer.summary import summary
from tests.producer.conftest import SegmentExport
from tests.producer.test_showing_progress import run
from worker.exports.preview import Example, Group, NewField, Preview
from worker.exports.runs import Lint

LINT = {"VISITS": Lint(1_200, 0, ["loyal:1", "loyal:2"]), "CITY": Lint(0, 1, ["churn:5"])}
FATES = ("new", "changed", "again", "unchanged", "suppressed", "rejected", "invalid", "duplicate")
NOBODY = {fate: Group(0) for fate in (*FATES, "moved", "untagged", "archived")}


def foretold(*, first: bool = False, full: bool = False, guard: str | None = None, **would: Group) -> str:
    return forecast(
        Preview(
            export="weekly",
            audience_id="a1b2c3d4e5",
            first=first,
            full=full,
            read=1_234,
            would=NOBODY | would,
            new_merge_fields=[NewField("SCORE", "number")],
            lint=LINT,
            guard=guard,
        )
    )


def test_a_dry_run_is_told_as_counts_remarks_and_examples() -> None:
    people = [Example("a***@x***.org", "loyal:7"), Example("b***@x***.org", "loyal:12")]
    gone = [Example("c***@x***.org", why="Loyal customers")]
    told = foretold(new=Group(1_230, people), untagged=Group(1, gone), guard="add 1,230 to 10 members")
    assert told.splitlines() == [
        "profiles read                1,234",
        "  send, not accepted before  1,230",
        "  send, changed                  0",
        "  send, unchanged                0",
        "  leave unchanged                0",
        "  suppress                       0",
        "  refuse                         0",
        "  invalid                        0",
        "  duplicate                      0",
        "move to a new address            0",
        "take a tag off                   1",
        "archive                          0",
        "",
        "MERGE FIELD  BAD VALUES  MISSING  CUT  ROWS, FOR INSTANCE",
        "VISITS            1,200        0    0  loyal:1, loyal:2",
        "CITY                  0        0    1  churn:5",
        "",
        "Merge field SCORE would be created as number.",
        "The run would be held, as it would add 1,230 to 10 members.",
        "This was a dry run of weekly: nothing was sent, and nothing was kept.",
        "",
        "send, not accepted before (2 of 1,230):",
        "  a***@x***.org  loyal:7",
        "  b***@x***.org  loyal:12",
        "",
        "take a tag off:",
        "  c***@x***.org    Loyal customers",
    ]


def test_why_everything_would_be_sent_is_told() -> None:
    assert "Nothing is remembered of an earlier run" in foretold(first=True, full=True)
    assert "Everything would be sent, whether it has changed or not." in foretold(full=True)


def test_bad_values_stand_below_the_summary_of_a_run() -> None:
    rows = summary([run("successful", read=5, lint=LINT)]).splitlines()
    assert rows[-4:] == [
        "",
        "MERGE FIELD  BAD VALUES  MISSING  CUT  ROWS, FOR INSTANCE",
        "VISITS            1,200        0    0  loyal:1, loyal:2",
        "CITY                  0        0    1  churn:5",
    ]


@pytest.mark.parametrize(
    "arguments", [("--all", "--dry-run"), ("weekly", "--dry-run", "--wait"), ("weekly", "--show")]
)
@pytest.mark.usefixtures("catalog")
def test_options_that_do_not_go_together_are_wrong_usage(
    segment_export: SegmentExport, arguments: tuple[str, ...]
) -> None:
    result = segment_export("run", *arguments)
    assert result.exit_code == 2
    assert "dry run" in result.stderr.lower()
