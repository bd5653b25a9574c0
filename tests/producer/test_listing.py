import json
from datetime import date
from pathlib import Path

import pytest

from producer.application import Producer
from producer.events import refresh_finished, run_export
from tests.producer.conftest import SegmentExport, Work
from worker.exports.definitions import Connection, Consent

KEY = "0123456789abcdef0123456789abcdef-us1"
FILE = f"""
connections:
  newsletter:
    type: mailchimp
    api_key: {KEY}
    consent: {{agreed_by: dana@example.com, agreed_on: 2026-11-23}}
segments:
  loyal: {{source: data/loyal.csv}}
exports:
  weekly: {{connection: newsletter, audience_id: a1b2c3d4e5, segments: [loyal], email: email}}
"""


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("connections", ["newsletter", "second"]),
        ("segments", ["churn", "loyal"]),
        ("exports", ["both", "by-hand", "weekly"]),
    ],
)
@pytest.mark.usefixtures("catalog")
def test_get_lists_what_was_applied(segment_export: SegmentExport, kind: str, names: list[str]) -> None:
    document = json.loads(segment_export("get", kind, "--json").stdout)
    assert list(document) == [kind]
    assert [each["name"] for each in document[kind]] == names
    rows = segment_export("get", kind).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", *names]
    one = json.loads(segment_export("get", kind, names[1], "--json").stdout)
    assert one == {kind: [document[kind][1]]}


@pytest.mark.parametrize("kind", ["connections", "segments", "exports", "runs"])
def test_get_of_nothing_is_an_empty_list_and_a_word_about_it(
    segment_export: SegmentExport, kind: str
) -> None:
    assert json.loads(segment_export("get", kind, "--json").stdout) == {kind: []}
    result = segment_export("get", kind)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"There are no {kind} yet")


@pytest.mark.usefixtures("catalog")
def test_get_of_an_unknown_name_is_one_sentence_and_exit_1(segment_export: SegmentExport) -> None:
    for kind, sentence in {
        "exports": "There is no export 'weekl'; did you mean weekly?\n",
        "runs": "There is no export 'weekl'; did you mean weekly?\n",
    }.items():
        result = segment_export("get", kind, "weekl")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", sentence)


def test_get_of_an_unknown_kind_is_wrong_usage(segment_export: SegmentExport) -> None:
    assert segment_export("get", "audiences").exit_code == 2


def test_get_shows_a_connection_as_it_stands_and_a_stored_key_never(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
    catalog.catalog.save(
        [Connection(name="sealed", type="mailchimp", api_key="encrypted:c2VjcmV0", consent=consent)]
    )
    catalog.slots.pause("second")
    shown = segment_export("get", "connections")
    columns = {row.split()[0]: row.split()[3:8] for row in shown.stdout.splitlines()[1:]}
    assert columns == {
        "newsletter": ["env:MAILCHIMP_API_KEY", "0", "of", "10", "ready"],
        "sealed": ["encrypted", "0", "of", "10", "ready"],
        "second": ["env:MAILCHIMP_API_KEY", "0", "of", "10", "paused"],
    }
    assert "c2VjcmV0" not in shown.stdout + segment_export("get", "connections", "--json").stdout


def test_get_runs_lists_the_newest_first(
    catalog: Producer, segment_export: SegmentExport, work: Work
) -> None:
    first = run_export(catalog, "weekly").run_id
    work.do(first, read=1234, invalid=34)
    second = refresh_finished(catalog, "r1", ["churn"]).runs[0].run_id
    runs = json.loads(segment_export("get", "runs", "--json").stdout)["runs"]
    assert [run["run_id"] for run in runs] == [second, first]
    rows = segment_export("get", "runs").stdout.splitlines()
    assert rows[1].split()[:3] == [second, "both", "queued"]
    assert rows[2].split()[:8] == [first, "weekly", "successful", "1,234", "1,200", "0", "0", "34"]


def test_get_runs_takes_the_name_of_an_export_or_of_a_run(
    catalog: Producer, segment_export: SegmentExport
) -> None:
    weekly, both = run_export(catalog, "weekly").run_id, run_export(catalog, "both").run_id
    for name, expected in {"weekly": weekly, both: both}.items():
        runs = json.loads(segment_export("get", "runs", name, "--json").stdout)["runs"]
        assert [run["run_id"] for run in runs] == [expected]
    assert segment_export("get", "runs", "by-hand").stderr == "There are no runs of by-hand yet.\n"


def test_apply_tells_what_changed_and_saves_it(
    producer: Producer, segment_export: SegmentExport, tmp_path: Path
) -> None:
    (tmp_path / "catalog.yaml").write_text(FILE.replace("data/", f"{tmp_path}/"))
    first = segment_export("apply", "-f", "catalog.yaml")
    assert first.exit_code == 0
    assert first.stdout.splitlines() == [
        "added      connection newsletter",
        "added      segment loyal",
        "added      export weekly",
    ]
    assert first.stderr == "3 added, 0 changed, 0 unchanged.\n"
    assert segment_export("apply", "-f", "catalog.yaml").stderr == "0 added, 0 changed, 3 unchanged.\n"
    assert producer.catalog.export("weekly").segments == ("loyal",)
    assert KEY not in segment_export("get", "connections", "--json").stdout


def test_apply_prints_every_problem_and_saves_nothing(
    producer: Producer, segment_export: SegmentExport, tmp_path: Path
) -> None:
    (tmp_path / "catalog.yaml").write_text(FILE.replace("a1b2c3d4e5", "A1").replace("[loyal]", "[royal]"))
    result = segment_export("apply", "-f", "catalog.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 3
    assert all(line.startswith("catalog.yaml:10: ") for line in result.stderr.splitlines()[:2])
    assert result.stderr.endswith("2 problems: nothing was saved.\n")
    assert producer.catalog.everything().connections == {}


@pytest.mark.here
def test_apply_warns_of_keys_that_only_the_workers_may_know(
    segment_export: SegmentExport, tmp_path: Path
) -> None:
    (tmp_path / "catalog.yaml").write_text(FILE.replace(KEY, "env:NO_SUCH_VARIABLE"))
    result = segment_export("apply", "-f", "catalog.yaml")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: catalog.yaml:5: ")


def test_apply_needs_a_file(segment_export: SegmentExport) -> None:
    assert segment_export("apply").exit_code == 2
    missing = segment_export("apply", "-f", "nope.yaml")
    assert missing.exit_code == 1
    assert "nope.yaml" in missing.stderr
