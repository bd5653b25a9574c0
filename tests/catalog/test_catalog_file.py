import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.catalog_file import Declared, load
from worker.exports.declarations import Definitions
from worker.exports.definitions import Connection, Consent, Export, Segment

Write = Callable[[str | bytes], Path]

EXAMPLE = """\
connections:
  newsletter:
    type: mailchimp
    display_name: Newsletter account
    api_key: env:MAILCHIMP_API_KEY
    access: administrators
    consent: {agreed_by: dana@example.com, agreed_on: 2026-11-23}
    max_connections: 10
segments:
  loyal-customers:
    display_name: Loyal customers
    source: data/{refresh_id}/loyal.parquet
exports:
  weekly-newsletter:
    connection: newsletter
    audience_id: a1b2c3d4e5
    segments: [loyal-customers]
    email: email
    attributes: {FNAME: first_name, LNAME: last_name}
    run: on_refresh
    mode: mirror
    status_if_new: subscribed
"""
AGREED = "{agreed_by: D, agreed_on: 2026-11-23}"
KEY = "0123456789abcdef0123456789abcdef-us6"
KNOWN = Definitions(
    connections={
        "shared": Connection.model_validate(
            {
                "name": "shared",
                "type": "mailchimp",
                "api_key": "env:X",
                "consent": {"agreed_by": "Dana", "agreed_on": "2026-11-23"},
            }
        )
    },
    segments={"vip": Segment(name="vip", display_name="VIP", source="vip.csv")},
    exports={},
)


def seal(connection: str, key: str) -> str:
    assert key == KEY
    return f"encrypted:{connection}".replace("-", "")


def read(path: Path) -> Declared:
    return load(path, known=KNOWN, seal=seal)


def sentences(path: Path) -> list[str]:
    return [str(problem).removeprefix(f"{path}:") for problem in read(path).problems]


def connection_with(lines: str) -> str:
    head = f"connections:\n  newsletter:\n    type: mailchimp\n    consent: {AGREED}\n"
    return head + textwrap.indent(textwrap.dedent(lines), "    ")


def export_with(lines: str, *, leave_out: str = "") -> str:
    usual = ["connection: shared", "audience_id: a1b2c3d4e5", "segments: [vip]", "email: email"]
    kept = [line for line in usual if not line.startswith(leave_out or "-")]
    return "exports:\n  weekly:\n" + textwrap.indent("\n".join(kept) + "\n" + textwrap.dedent(lines), "    ")


def test_the_example_of_the_contract_is_understood(write: Write) -> None:
    declared = read(write(EXAMPLE))
    assert declared.problems == ()
    connection = declared.definitions.connections["newsletter"]
    assert connection.api_key == "env:MAILCHIMP_API_KEY"
    assert connection.consent == Consent.model_validate(
        {"agreed_by": "dana@example.com", "agreed_on": "2026-11-23"}
    )
    assert declared.definitions.segments == {
        "loyal-customers": Segment(
            name="loyal-customers",
            display_name="Loyal customers",
            source="data/{refresh_id}/loyal.parquet",
        )
    }
    assert declared.definitions.exports == {
        "weekly-newsletter": Export(
            name="weekly-newsletter",
            connection="newsletter",
            audience_id="a1b2c3d4e5",
            segments=("loyal-customers",),
            email="email",
            attributes={"FNAME": "first_name", "LNAME": "last_name"},
            mode="mirror",
        )
    }


def test_an_export_may_refer_to_what_was_applied_before(write: Write) -> None:
    assert sentences(write(export_with(""))) == []


def test_words_that_other_yaml_takes_for_truth_or_numbers_are_text(write: Write) -> None:
    path = write(export_with("attributes: {FNAME: no, LNAME: 0123, A: 2024, B: 1.5, C: 2026-11-23, ON: on}"))
    assert sentences(path) == []
    assert read(path).definitions.exports["weekly"].attributes == {
        "FNAME": "no",
        "LNAME": "0123",
        "A": "2024",
        "B": "1.5",
        "C": "2026-11-23",
        "ON": "on",
    }


@pytest.mark.parametrize("audience_id", ["1234567890", "0123456789", "'1234567890'", "12e4567890"])
def test_an_audience_id_of_digits_needs_no_quotes(write: Write, audience_id: str) -> None:
    path = write(export_with(f"audience_id: {audience_id}", leave_out="audience_id"))
    assert sentences(path) == []
    assert read(path).definitions.exports["weekly"].audience_id == audience_id.strip("'")


def test_a_literal_key_is_sealed_for_its_connection(write: Write) -> None:
    declared = read(write(connection_with(f"api_key: {KEY}")))
    assert declared.problems == ()
    assert declared.definitions.connections["newsletter"].api_key == "encrypted:newsletter"


@pytest.mark.parametrize(
    "key",
    [
        "x-evil.com/",
        "x-us1@evil",
        "x-us1.evil.com",
        "x-us\uff11",
        "-us1",
        f"{KEY} ",
        f"Bearer {KEY}",
        "ENV:KEY",
        "env:",
        "env:1",
        "env: KEY",
        "file:",
        "vault:secret",
        "encrypted:?",
    ],
)
def test_what_is_neither_a_reference_nor_a_key_is_told_and_not_shown(write: Write, key: str) -> None:
    assert sentences(write(connection_with(f'api_key: "{key}"'))) == [
        (
            "5: api_key of connection newsletter is neither a well-formed reference, "
            "env:NAME_OF_A_VARIABLE or "
            "file:PATH, nor an API key, which ends in a hyphen and its data centre, such as -us6."
        )
    ]


def test_all_problems_are_told_at_once_in_order_of_lines(write: Write) -> None:
    path = write("""\
        conections: {}
        connections:
          newsletter:
            type: mailchump
            api_key: env:KEY
            max_connections: 11
        segments:
          loyal: {source: loyal.xlsx}
        exports:
          weekly:
            connection: newslettr
            audience_id: abc
            segments:
              - loyal
              - lojal
            email: email
            modus: mirror
        """)
    assert sentences(path) == [
        '1: The file has an unknown key "conections"; did you mean connections or notifications?',
        (
            "3: Connection newsletter has no consent; write {agreed_by: …, agreed_on: YYYY-MM-DD}, "
            "as nothing is exported without consent."
        ),
        '4: type of connection newsletter is "mailchump"; write mailchimp.',
        "6: max_connections of connection newsletter is 11; write a whole number from 1 to 10.",
        (
            "8: source of segment loyal names no file that can be read; "
            "its name must end in .parquet, .csv, .ndjson, .jsonl."
        ),
        (
            '11: Export weekly names connection "newslettr", which is neither in this file nor in the '
            "catalog; "
            "did you mean newsletter?"
        ),
        (
            '12: audience_id of export weekly is "abc"; write the audience\'s ID of ten lower-case '
            "letters and digits, "
            "such as a1b2c3d4e5."
        ),
        (
            '15: Export weekly names segment "lojal", which is neither in this file nor in the catalog; '
            "did you mean loyal?"
        ),
        '17: Export weekly has an unknown key "modus"; did you mean mode?',
    ]


def test_a_reference_that_is_not_resolved_here_is_a_warning(write: Write) -> None:
    path = write(connection_with("api_key: env:MC_KEY"))
    asked: list[tuple[str, str]] = []

    def unresolved(connection: str, reference: str) -> str:
        asked.append((connection, reference))
        return "environment variable MC_KEY is missing"

    declared = load(path, known=KNOWN, seal=seal, unresolved=unresolved)
    assert declared.problems == ()
    assert [str(warning) for warning in declared.warnings] == [
        (
            f"{path}:5: The API key of connection newsletter is not known here "
            "(environment variable MC_KEY is missing); the workers need it."
        )
    ]
    assert asked == [("newsletter", "env:MC_KEY")]


def test_very_many_problems_are_not_all_told(write: Write) -> None:
    path = write("segments:\n" + "".join(f"  s{number}:\n" for number in range(50_000)))
    found = read(path).problems
    assert len(found) == 201
    assert str(found[-1]) == f"{path}: There are more problems than the 200 told here; mend these first."


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_put_into_a_file_comes_out_as_sentences(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tree = yaml.safe_load(EXAMPLE)
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
        max_leaves=6,
    )
    spot = tree
    for _ in range(data.draw(st.integers(0, 4))):
        if not isinstance(spot, dict) or not spot:
            break
        key = data.draw(st.sampled_from(sorted(spot)))
        if data.draw(st.booleans()) or not isinstance(spot[key], dict):
            spot[key] = data.draw(junk)
        spot = spot[key]
    if isinstance(spot, dict):
        spot[data.draw(st.text(max_size=12))] = data.draw(junk)
    path = tmp_path_factory.mktemp("junk") / "catalog.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=data.draw(st.booleans())), encoding="utf-8")
    declared = load(path, known=KNOWN, seal=lambda _connection, _key: "encrypted:AAAA")
    for problem in declared.problems:
        assert problem.sentence.isprintable(), problem
        assert problem.sentence.endswith((".", "?")), problem
        assert "pydantic" not in problem.sentence
        assert "Input should" not in problem.sentence
