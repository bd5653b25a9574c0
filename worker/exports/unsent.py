"""Report lines of the profiles that planning does not send, and why."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from worker.exports import cleaning
from worker.exports.delta import SENTENCES, Why
from worker.exports.members import read_members
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.plan import RowVerdict, Survey
from worker.exports.values import as_text, named

DUPLICATE: Final = "duplicate"
BAD_VALUE: Final = "bad_value"

_TOLD: Final = (
    RowVerdict.MISSING,
    RowVerdict.MALFORMED,
    RowVerdict.DUPLICATE,
    RowVerdict.REJECTED,
    RowVerdict.SUPPRESSED,
)
_LONGEST_EMAIL: Final = 320  # characters
_NO_ADDRESS: Final[Mapping[int, tuple[str, str]]] = {
    RowVerdict.MISSING: (cleaning.MISSING, "The profile has no e-mail address."),
    RowVerdict.MALFORMED: (
        cleaning.MALFORMED,
        "This is no e-mail address: it takes one @, plain letters before it and a domain after it.",
    ),
}


def lines_of_unsent(
    survey: Survey, table: int, start: int, batch: pl.DataFrame, judged: pl.DataFrame
) -> Iterator[ReportLine]:
    """A line for each row of a batch that has a verdict against it, in their order.

    `start` is the 0-based number of the batch's first row in its table, `judged` the batch's part of the
    survey's rows.
    """
    unsent = judged["verdict"].is_in(_TOLD)
    if not unsent.any():
        return
    batch, judged = batch.filter(unsent), judged.filter(unsent)
    bad = _bad_values(survey, batch, judged["verdict"])
    rows = unsent.arg_true().to_list()
    whys = judged["why"] if "why" in judged.columns else [Why.NOTHING] * len(rows)
    for at, (row, email, verdict, kept, why) in enumerate(
        zip(rows, addresses_as_read(survey, batch), judged["verdict"], judged["kept"], whys, strict=True)
    ):
        outcome, code, field, message = (
            (Outcome.SUPPRESSED, SENTENCES[why][0], "", SENTENCES[why][1])
            if verdict == RowVerdict.SUPPRESSED
            else _why(survey, verdict, kept, bad.get(at, []))
        )
        yield ReportLine(
            segment=survey.tables[table].segment,
            row=start + row + 1,
            email=email,
            outcome=outcome,
            code=code,
            field=field,
            message=message,
        )


def addresses_as_read(survey: Survey, batch: pl.DataFrame) -> pl.Series:
    """The addresses of a batch as the source has them, too long ones cut; '' where there is none."""
    column = survey.settings.email
    text = as_text(named(column), batch.schema[column])
    return batch.select(text.fill_null("").str.head(_LONGEST_EMAIL)).to_series()


def _why(survey: Survey, verdict: int, kept: int | None, bad: list[str]) -> tuple[str, str, str, str]:
    email = survey.settings.email
    if verdict in _NO_ADDRESS:
        code, message = _NO_ADDRESS[verdict]
        return Outcome.INVALID, code, email, message
    if kept is not None:
        return Outcome.DUPLICATE, DUPLICATE, email, _same_as(survey, kept)
    return Outcome.REJECTED, BAD_VALUE, bad[0], _does_not_fit(survey, bad)


def _same_as(survey: Survey, kept: int) -> str:
    table, row = survey.place(kept)
    segment = survey.tables[table].segment
    return f'Row {row} of segment "{segment}" has the same address and stands for this one.'


def _bad_values(survey: Survey, batch: pl.DataFrame, verdicts: pl.Series) -> dict[int, list[str]]:
    """The merge tags whose values don't fit, by the position of each rejected row."""
    rejected = verdicts == RowVerdict.REJECTED
    if not rejected.any():
        return {}
    members = read_members(batch.filter(rejected), survey.settings, survey.attributes)
    tags = [attribute.field.tag for attribute in survey.attributes]
    marks = members.select(f"bad {tag}" for tag in tags).iter_rows()
    return {
        at: [tag for tag, is_bad in zip(tags, row, strict=True) if is_bad]
        for at, row in zip(rejected.arg_true(), marks, strict=True)
    }


def _does_not_fit(survey: Survey, tags: list[str]) -> str:
    types = {attribute.field.tag: attribute.field.type for attribute in survey.attributes}
    named = " and ".join(f"{tag} ({types[tag]})" for tag in tags)
    return f"The profile has a value that does not fit its merge field: {named}."
