"""A dry run as people read it."""

from collections.abc import Iterator
from typing import Final

from producer.summary import lint_table
from producer.wording import columns, number
from worker.exports.preview import Group, Preview

_SENT: Final = ("new", "changed", "again")
_LABELS: Final = {
    "new": "send, not accepted before",
    "changed": "send, changed",
    "again": "send, unchanged",
    "unchanged": "leave unchanged",
    "suppressed": "suppress",
    "rejected": "refuse",
    "invalid": "invalid",
    "duplicate": "duplicate",
}
_BESIDE: Final = {
    "moved": "move to a new address",
    "untagged": "take a tag off",
    "archived": "archive",
}
_SHOWN: Final = (*_SENT, "moved", "untagged", "archived", "suppressed", "rejected", "invalid", "duplicate")


def forecast(preview: Preview) -> str:
    """Counts, bad values, what else there is to say, and examples."""
    lint = [lint_table(preview.lint)] if preview.lint else []
    remarks = ["\n".join(_remarks(preview))]
    return "\n\n".join([_counts(preview), *lint, *remarks, *_examples(preview)])


def _counts(preview: Preview) -> str:
    rows = [["profiles read", number(preview.read)]]
    rows += [[f"  {label}", number(preview.would[fate].count)] for fate, label in _LABELS.items()]
    rows += [[label, number(preview.would[fate].count)] for fate, label in _BESIDE.items()]
    return columns(rows, right={1})


def _remarks(preview: Preview) -> Iterator[str]:
    if preview.first:
        yield "Nothing is remembered of an earlier run to this audience: everything would be sent."
    elif preview.full:
        yield "Everything would be sent, whether it has changed or not."
    for field in preview.new_merge_fields:
        yield f"Merge field {field.tag} would be created as {field.type}."
    if preview.guard:
        yield f"The run would be held, as it would {preview.guard}."
    yield f"This was a dry run of {preview.export}: nothing was sent, and nothing was kept."


def _examples(preview: Preview) -> Iterator[str]:
    labels = _LABELS | _BESIDE
    for fate in _SHOWN:
        group = preview.would[fate]
        if group.examples:
            yield f"{labels[fate]}{_of(group)}:\n{_table(group)}"


def _of(group: Group) -> str:
    shown = len(group.examples)
    return f" ({shown} of {number(group.count)})" if shown < group.count else ""


def _table(group: Group) -> str:
    return columns([[f"  {each.email}", each.row, each.why] for each in group.examples])
