import os
from pathlib import Path

import pytest

from worker.errors import StopRun
from worker.sources.locating import locate


def _write(path: Path, modified: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("email\n")
    os.utime(path, (modified, modified))
    return path


def test_placeholders_are_filled_in() -> None:
    path = locate("loyal", "data/{refresh_id}/{segment}.parquet", "2026-11-23T07:42+01:00")
    assert path == Path("data/2026-11-23T07:42+01:00/loyal.parquet")


def test_a_path_without_placeholders_is_the_same_for_every_refresh() -> None:
    assert (
        locate("loyal", "data/all.csv", "r1") == locate("loyal", "data/all.csv", None) == Path("data/all.csv")
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///srv/my%20data/x.csv", "/srv/my data/x.csv"),
        ("file://localhost/srv/x.csv", "/srv/x.csv"),
    ],
)
def test_a_file_url_is_a_path(url: str, path: str) -> None:
    assert locate("loyal", url, None) == Path(path)


def test_another_url_is_refused_in_one_sentence() -> None:
    with pytest.raises(StopRun, match=r'source of segment "loyal" is a URL, and only files on local disk'):
        locate("loyal", "s3://bucket/x.parquet", None)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a..b", "a b", "a\0b", "ä", "~", "*", "a\n"])
@pytest.mark.parametrize("what", ["refresh id", "segment name"])
def test_a_name_that_could_lead_out_of_its_folder_is_refused(name: str, what: str) -> None:
    with pytest.raises(StopRun, match=f"^The {what} .* can't stand in a path: use only letters, digits"):
        locate(name, "data/{segment}.csv", None) if what == "segment name" else locate(
            "loyal", "data/{refresh_id}.csv", name
        )


def test_a_run_on_demand_takes_the_refresh_whose_file_was_modified_last(tmp_path: Path) -> None:
    _write(tmp_path / "2" / "loyal.csv", 100)
    newest = _write(tmp_path / "1" / "loyal.csv", 300)
    _write(tmp_path / "3" / "loyal.csv", 200)
    assert locate("loyal", f"{tmp_path}/{{refresh_id}}/{{segment}}.csv", None) == newest


def test_of_refreshes_of_the_same_time_the_path_that_sorts_last_is_taken(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        _write(tmp_path / name / "loyal.csv", 100)
    assert locate("loyal", f"{tmp_path}/{{refresh_id}}/loyal.csv", None) == tmp_path / "c" / "loyal.csv"


def test_only_files_of_one_refresh_id_count_as_a_refresh(tmp_path: Path) -> None:
    wanted = _write(tmp_path / "r1" / "r1.csv", 100)
    _write(tmp_path / "r2" / "other.csv", 900)
    _write(tmp_path / "r3" / "r4.csv", 900)
    _write(tmp_path / "r 5" / "r 5.csv", 900)
    (tmp_path / "r6" / "r6.csv").mkdir(parents=True)
    assert locate("loyal", f"{tmp_path}/{{refresh_id}}/{{refresh_id}}.csv", None) == wanted


def test_letters_that_mean_something_to_a_search_are_taken_as_they_are(tmp_path: Path) -> None:
    wanted = _write(tmp_path / "[a]*" / "r1.csv", 100)
    _write(tmp_path / "a" / "r2.csv", 900)
    assert locate("loyal", f"{tmp_path}/[a]*/{{refresh_id}}.csv", None) == wanted


def test_no_refresh_at_all_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        StopRun, match=r'No refresh of segment "loyal" was found: no file matches .*/\*/x\.csv;'
    ):
        locate("loyal", f"{tmp_path}/{{refresh_id}}/x.csv", None)
