import io
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from producer.bars import Bars, fitting
from producer.following import NO_WORKERS, Look
from producer.screens import Lines, line
from producer.summary import list_of_runs, summary
from worker.exports.runs import Lint, RunDocument, Trigger
from worker.state.slots import ConnectionState

STARTED, FINISHED = "2026-11-24T02:00:00.000Z", "2026-11-24T02:03:20.400Z"
CALLS = ConnectionState(limit=10, max=10, open=9, paused=False, cooling_ms=0)


def run(
    status: str = "uploading", *, export: str = "weekly", lint: dict[str, Lint] | None = None, **counts: int
) -> RunDocument:
    return RunDocument.of(
        run_id=f"20261124-020000-{export}",
        export=export,
        trigger=Trigger("refresh", "r1"),
        status=status,
        count=lambda name: counts.get(name, 0),
        started_at=STARTED,
        finished_at=FINISHED if status in {"successful", "partial"} else None,
        error=None,
        lint=lint,
    )


HALF = Look(run(read=1_000_000, created=400_000, updated=100_000), CALLS, 5000.4)


def drawn(looks: list[Look], *, width: int = 80, height: int = 24) -> list[str]:
    """What stands on a terminal of this size in the end."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with Bars(console) as bars:
        bars.show(looks)
    file = console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "")
    return [row.rstrip() for row in text.rpartition("\x1b[2K")[2].splitlines() if row.strip()]


def test_a_line_says_how_a_run_stands() -> None:
    assert line(HALF) == (
        "weekly 20261124-020000-weekly: uploading, 500,000 of 1,000,000 profiles (50 %), 5,000/s, "
        "9 of 10 calls open, 1 min 40 s left"
    )
    assert line(Look(run("queued"))) == "weekly 20261124-020000-weekly: queued"


def test_lines_are_written_at_a_change_of_status_and_else_every_five_seconds() -> None:
    now, written = [0.0], list[str]()
    lines = Lines(written.append, clock=lambda: now[0])
    for at in range(49):
        now[0] = at * 0.25
        lines.show([HALF if at < 46 else Look(run("successful"))])
    assert [text.split(": ")[1].split(",")[0] for text in written] == ["uploading"] * 3 + ["successful"]


def test_what_is_said_beside_the_lines_is_said_once() -> None:
    written = list[str]()
    lines = Lines(written.append)
    lines.say(NO_WORKERS)
    lines.say(NO_WORKERS)
    assert written == [NO_WORKERS]


@pytest.mark.parametrize("width", [70, 80, 100, 200])
def test_a_bar_stands_in_one_row_whatever_the_width(width: int) -> None:
    heading, row = drawn([HALF], width=width)
    assert heading.split() == ["EXPORT", "STATUS", "PROFILES", "RATE", "CALLS", "LEFT"]
    assert len(heading) == len(row) <= min(width - 3, 120)
    assert "━" in row
    assert row.split()[-4:] == ["500,000/1,000,000", "5,000/s", "9/10", "0:01:40"]


def test_a_bar_leaves_out_what_is_not_known() -> None:
    assert drawn([Look(run("queued"))])[1].split()[:2] == ["weekly", "queued"]
    assert drawn([Look(run("planning"))])[1].split()[:2] == ["weekly", "planning"]
    assert "/s" not in drawn([Look(run("planning"))])[1]


def test_more_runs_than_rows_show_those_that_move() -> None:
    ended = [Look(run("successful", export=f"ended-{at:02}")) for at in range(20)]
    queued = [Look(run("queued", export=f"queued-{at:02}")) for at in range(20)]
    moving = Look(run(export="moving", read=10))
    rows = drawn([*ended, *queued, moving], height=10)
    assert len(rows) <= 8
    assert [row.split()[0] for row in rows[1:]] == [*(f"queued-{at:02}" for at in range(4)), "moving", "…"]
    assert "36 more" in rows[-1]


def test_all_runs_are_shown_if_there_is_room() -> None:
    looks = [Look(run(export=name)) for name in "abc"]
    assert fitting(looks, 3) == (looks, 0)
    assert fitting(looks, 2) == (looks[:1], 2)


def test_a_long_name_is_cut_and_markup_in_it_means_nothing() -> None:
    row = drawn([replace(HALF, run=msgspec.structs.replace(HALF.run, export="[red]" + "x" * 60))])[1]
    assert row.startswith("[red]xxxxx")
    assert "…" in row


def test_a_hint_is_written_above_the_bars_once() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    with Bars(console) as bars:
        bars.show([HALF])
        bars.say(NO_WORKERS)
        bars.say(NO_WORKERS)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(NO_WORKERS) == 1


def test_the_summary_of_a_run_has_every_outcome_and_figure() -> None:
    document = run("partial", read=1234, created=1200, invalid=30, rejected=4, chunks_total=3, api_calls=4)
    assert summary([document]).splitlines() == [
        "run            20261124-020000-weekly",
        "export                         weekly",
        "trigger                    refresh r1",
        "status                        partial",
        "started (UTC)     2026-11-24 02:00:00",
        "duration                   3 min 20 s",
        "",
        "profiles read                   1,234",
        "  created                       1,200",
        "  updated                           0",
        "  unchanged                         0",
        "  invalid                          30",
        "  duplicate                         0",
        "  suppressed                        0",
        "  rejected                          4",
        "  failed                            0",
        "removed                             0",
        "resubscribed                        0",
        "chunks                              3",
        "  done                              0",
        "  failed                            0",
        "API calls                           4",
        "",
        "34 left out; who and why: segment-export rejected 20261124-020000-weekly",
    ]


def test_a_run_that_has_not_begun_has_no_times_in_its_summary() -> None:
    document = msgspec.structs.replace(run("queued"), started_at=None)
    labels = [row.split()[0] for row in summary([document]).splitlines()[:4]]
    assert labels == ["run", "export", "trigger", "status"]
    assert "started" not in summary([document])


def test_two_runs_stand_side_by_side() -> None:
    rows = summary([run(read=1, export="a"), run(read=22, export="b")]).splitlines()
    assert rows[0].split() == ["run", "20261124-020000-a", "20261124-020000-b"]
    assert next(row for row in rows if row.startswith("profiles")).split()[2:] == ["1", "22"]


def test_many_runs_have_a_row_each_and_remarks_by_name() -> None:
    runs = [run("partial", export=name, read=10, created=9, invalid=1) for name in ("a", "b", "c")]
    runs[2] = msgspec.structs.replace(runs[2], status="failed", error="The file is gone: write it.")
    rows = summary(runs).splitlines()
    assert rows[0].split() == ["EXPORT", "STATUS", "READ", "CREATED", "INVALID", "DURATION"]
    assert [row.split()[0] for row in rows[1:4]] == ["a", "b", "c"]
    assert rows[4:] == [
        "",
        "a: 1 left out; who and why: segment-export rejected 20261124-020000-a",
        "b: 1 left out; who and why: segment-export rejected 20261124-020000-b",
        "c: The file is gone: write it.",
        "c: 1 left out; who and why: segment-export rejected 20261124-020000-c",
    ]


def test_a_list_of_runs_is_aligned() -> None:
    rows = list_of_runs([run("successful", read=1_000_000, created=1_000_000), run("queued")]).splitlines()
    assert {row[32:].split()[0] for row in rows} == {"STATUS", "successful", "queued"}
    assert rows[1].split()[2:6] == ["successful", "1,000,000", "1,000,000", "0"]
    assert rows[1].endswith("2026-11-24 02:00:00  3 min 20 s")
