from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from producer import yaml_tree
from producer.catalog_file import load
from producer.yaml_tree import Malformed, plain, read_tree
from worker.exports.declarations import Definitions

Write = Callable[[str | bytes], Path]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_tree, "_LOADER", getattr(yaml, request.param))


def told(path: Path) -> list[str]:
    declared = load(path, known=Definitions(), seal=lambda _connection, _key: "encrypted:AAAA")
    assert not declared.definitions.segments
    return [str(problem).removeprefix(str(path)) for problem in declared.problems]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", ": The file declares nothing; write connections, segments, exports, notifications into it."),
        (
            "# nothing yet\n---\n",
            ": The file declares nothing; write connections, segments, exports, notifications into it.",
        ),
        ("- a", ":1: The file is not a mapping; its keys are connections, segments, exports, notifications."),
        (
            "\n\nword",
            ":3: The file is not a mapping; its keys are connections, segments, exports, notifications.",
        ),
        ("segments:\n\ta: {}", ":2: The line is indented with a tab; YAML wants spaces."),
        ("segments:\n  a: {}\n  \tb: {}", ":3: The line is indented with a tab; YAML wants spaces."),
        (b"segments: {}\n# M\xfcller", ":2: The line is not UTF-8 text; save the file in that encoding."),
        ("a: 1".encode("utf-16"), ":1: The line is not UTF-8 text; save the file in that encoding."),
        ("segments: {}\nx: \x00", ":2: The line holds a control character; take it out."),
        ("segments:\n  a: &a {}\n  b: *a", ":3: Aliases (*name) are not supported; write the value out."),
        ("segments: !!python/name:os.system {}", ":1: YAML tags (!name) are not supported; take it out."),
        ("segments:\n  !x a: {}", ":2: YAML tags (!name) are not supported; take it out."),
        ("segments:\n  [a, b]: {}", ":2: A key must be plain text; a list or mapping can't be one."),
        (
            "segments: {}\n---\nsegments: {}",
            ":2: A second document begins here; keep all in one, without a line of dashes.",
        ),
        ("[" * 100_000, ":1: Values are nested more than 12 deep; no configuration needs that."),
        ("{a: " * 100_000, ":1: Values are nested more than 12 deep; no configuration needs that."),
        (
            "#" * (1024 * 1024 + 1),
            ": The file is larger than 1 MiB; declare less in it, or in several files.",
        ),
    ],
)
def test_what_no_configuration_needs_is_refused_in_one_sentence(
    write: Write, content: str | bytes, sentence: str
) -> None:
    assert told(write(content)) == [sentence]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("segments: a: b", 1),
        ("segments:\n  a: 'x\n", 2),
        ("segments:\n  a: [x\n", 2),
        ("segments: {}\n@a: 1", 2),
        ("segments:\n  a: b\n    c: d\n", 3),
        ("- a\nb: c", 2),
    ],
)
def test_broken_yaml_is_told_with_its_line(write: Write, content: str, line: int) -> None:
    [sentence] = told(write(content))
    assert sentence.startswith(f":{line}: The YAML can't be read from here on (")
    assert sentence.endswith("); mend this line or the one before.")


def test_a_key_that_stands_twice_is_told_and_the_rest_is_checked(write: Write) -> None:
    assert told(write("segments:\n  a: {}\n  a: {}\nsegments: {}")) == [
        (
            ":2: Segment a has no source; write the path of a Parquet, CSV or NDJSON file, "
            "such as data/{refresh_id}/loyal.parquet."
        ),
        ":3: The key 'a' stands here again after line 2; keep one of them.",
        ":4: The key 'segments' stands here again after line 1; keep one of them.",
    ]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "catalog.yaml") == [": There is no such file; check its path."]


def test_a_folder_is_told(tmp_path: Path) -> None:
    assert told(tmp_path) == [": The file can't be read (Is a directory); check it."]


def test_an_escaped_half_character_is_refused(write: Write) -> None:
    [sentence] = told(write('segments:\n  a: {source: "\\uD800"}'))
    assert sentence.startswith(":2: ")


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm() -> None:
    assert plain(read_tree("a: 1\r\nb:\r\n  - x\r\n")[0]) == {"a": 1, "b": ["x"]}


def test_lines_are_those_of_keys_and_of_items() -> None:
    root, _ = read_tree("a:\n  b: 1\nc:\n  - x\n  -\n    y\n")
    assert isinstance(root.value, dict)
    a, c = root.value["a"], root.value["c"]
    assert isinstance(a.value, dict)
    assert isinstance(c.value, list)
    assert (a.line, a.value["b"].line, c.line) == (1, 2, 3)
    assert [item.line for item in c.value] == [4, 6]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("0", 0),
        ("-12", -12),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("12:30:00", "12:30:00"),
        ("2026-11-23", "2026-11-23"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("9" * 19, "9" * 19),
        ("=", "="),
    ],
)
def test_scalars_are_read_as_people_mean_them(text: str, value: object) -> None:
    assert plain(read_tree(f"a: {text}")[0]) == {"a": value}


@given(text=st.text(max_size=60))
def test_any_text_is_a_tree_or_malformed_at_one_of_its_lines(text: str) -> None:
    try:
        plain(read_tree(text)[0])
    except Malformed as fault:
        line, sentence = fault.line, fault.sentence
    else:
        return
    assert 1 <= line <= len(text.splitlines()) + 1
    assert sentence.endswith(".")
