"""Planning against the same rules written row by row in plain Python."""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from tests.planned import told
from worker.exports.attributes import MergeField
from worker.exports.definitions import AddressColumns
from worker.exports.outcomes import ReportLine
from worker.exports.planning import PlanSettings, StagedChunk, Survey, survey

Row = dict[str, str | None]

_FIELDS = [
    MergeField("ADDRESS", "Address", "address"),
    MergeField("FNAME", "First name", "text"),
    MergeField("TIER", "Tier", "dropdown", choices=("gold", "silver")),
    MergeField("ZIP", "Zip", "zip"),
    MergeField("OTHER", "Not mapped", "text"),
]
_PARTS = {"addr1": "street", "city": "city", "state": "state", "zip": "zip"}
_MAPPED: dict[str, str | AddressColumns] = {
    "TIER": "tier",
    "ADDRESS": AddressColumns(**_PARTS),
    "ZIP": "zip",
    "FNAME": "first",
}
_COLUMNS = ("email", "first", "tier", "street", "city", "state", "zip")

_addresses = st.sampled_from(
    [
        "a@x.org",
        " A@X.org\t",
        "b@x.org",
        "B@x.org",
        "ü@x.org",
        "c@ü.org",
        "c@Ü.ORG",
        "d",
        "",
        "  ",
        None,
        "a@x",
        "e@x.org",
    ]
)
_texts = st.one_of(
    st.none(), st.text('aü😀"\\\0\n ', max_size=4), st.sampled_from(["", "x" * 256, "ü" * 128])
)
_rows = st.fixed_dictionaries(
    {
        "email": _addresses,
        "first": _texts,
        "tier": st.sampled_from([None, "", "gold", " silver ", "tin"]),
        "street": st.sampled_from([None, "1 St", '"']),
        "city": st.sampled_from([None, "C"]),
        "state": st.sampled_from([None, "S", "\0"]),
        "zip": st.sampled_from([None, "", "00501", "12345-6789", "501"]),
    }
)
_segments = st.lists(st.lists(_rows, max_size=12), min_size=1, max_size=4)
_settings = st.builds(
    PlanSettings,
    email=st.just("email"),
    attributes=st.sets(st.sampled_from(sorted(_MAPPED))).map(
        lambda tags: {tag: _MAPPED[tag] for tag in tags}
    ),
    status_if_new=st.sampled_from(["subscribed", "pending"]),
    tags=st.sampled_from([(), ("One", "Twö", "One", ""), ('"1"', "2", "3", "4")]),
    chunk_size=st.integers(1, 5),
    on_null=st.sampled_from(["clear", "keep"]),
    on_bad_value=st.sampled_from(["omit", "reject"]),
)


@dataclass
class _Person:
    """The first row of an address."""

    segment: int
    row: int
    member: dict[str, Any]
    bad: list[str]
    cut: list[str]
    segments: set[int] = field(default_factory=set)


@dataclass
class _Plan:
    people: dict[str, _Person] = field(default_factory=dict)
    lines: list[tuple[int, int, str, str]] = field(default_factory=list)
    stand_ins: list[str] = field(default_factory=list)


def _tidy(text: str | None) -> str | None:
    plain = re.sub("\n+", " ", text or "").replace("\0", "")
    return plain if plain.strip() else None


def _cut(text: str) -> str:
    return text.encode()[:255].decode(errors="ignore")


def _first(row: Row) -> Any:
    return _cut(_tidy(row["first"]) or "")


def _tier(row: Row) -> Any:
    tier = (row["tier"] or "").strip()
    return tier if tier in {"gold", "silver"} else None


def _zip(row: Row) -> Any:
    return {"00501": "00501", "12345-6789": "12345"}.get(row["zip"] or "")


def _address(row: Row) -> Any:
    parts = {part: _tidy(row[column]) for part, column in _PARTS.items()}
    return parts if all(parts.values()) else None


_CONVERT: dict[str, tuple[Callable[[Row], Any], tuple[str, ...]]] = {
    "ADDRESS": (_address, tuple(_PARTS.values())),
    "FNAME": (_first, ("first",)),
    "TIER": (_tier, ("tier",)),
    "ZIP": (_zip, ("zip",)),
}


def _person(segment: int, number: int, address: str, row: Row, settings: PlanSettings) -> _Person:
    merge_fields, bad = {}, []
    for tag in sorted(settings.attributes):
        convert, columns = _CONVERT[tag]
        if any(_tidy(row[column]) for column in columns):
            value = convert(row)
            if value is None:
                bad.append(tag)
            else:
                merge_fields[tag] = value
        elif settings.on_null == "clear" and tag != "ADDRESS":
            merge_fields[tag] = ""
    member: dict[str, Any] = {"email_address": address, "status_if_new": settings.status_if_new}
    if merge_fields:
        member["merge_fields"] = merge_fields
    is_cut = "FNAME" in settings.attributes and len((_tidy(row["first"]) or "").encode()) > 255
    return _Person(segment, number, member, bad, ["FNAME"] if is_cut else [])


def _is_usable(address: str) -> bool:
    return (address.isascii() and address.endswith("@x.org")) or address == "c@ü.org"


def _model(segments: list[list[Row]], settings: PlanSettings) -> _Plan:
    plan = _Plan()
    for segment, rows in enumerate(segments):
        for number, row in enumerate(rows, 1):
            address = (row["email"] or "").strip().lower()
            if not _is_usable(address):
                code = "email_malformed" if address else "email_missing"
                plan.lines.append((segment, number, "invalid", code))
                continue
            if address in plan.people:
                plan.lines.append((segment, number, "duplicate", "duplicate"))
                first = plan.people[address]
                plan.stand_ins.append(f'Row {first.row} of segment "{first.segment}" has the same address')
            else:
                person = plan.people[address] = _person(segment, number, address, row, settings)
                if person.bad and settings.on_bad_value == "reject":
                    plan.lines.append((segment, number, "rejected", "bad_value"))
            plan.people[address].segments.add(segment)
    return plan


def _expected_members(plan: _Plan, settings: PlanSettings) -> list[tuple[int, int, dict[str, Any]]]:
    members = []
    for person in plan.people.values():
        if person.bad and settings.on_bad_value == "reject":
            continue
        names = [settings.tags[segment] for segment in sorted(person.segments)] if settings.tags else []
        tags = list(dict.fromkeys(filter(None, names)))
        members.append((person.segment, person.row, person.member | ({"tags": tags} if tags else {})))
    return members


def _staged(found: Survey) -> tuple[list[StagedChunk], list[ReportLine]]:
    items = list(told(found))
    chunks = [item for item in items if isinstance(item, StagedChunk)]
    return chunks, [line for item in items if isinstance(item, list) for line in item]


def _unpacked(chunk: StagedChunk) -> list[tuple[int, int, dict[str, Any]]]:
    body = json.loads(chunk.body)
    assert list(body) == ["members", "update_existing"]
    assert body["update_existing"] is True
    rows = struct.unpack(f"<{chunk.count}I", chunk.rows)
    return list(zip(chunk.segments, rows, body["members"], strict=True))


@hypothesis(deadline=None)
@given(_segments, _settings, st.integers(1, 7))
def test_planning_does_what_the_rules_say(
    memory_table: type, segments: list[list[Row]], settings: PlanSettings, height: int
) -> None:
    schema = dict.fromkeys(_COLUMNS, pl.String)
    tables = [
        memory_table(str(number), pl.DataFrame(rows, schema=schema), height=height)
        for number, rows in enumerate(segments)
    ]
    found = survey(tables, settings, _FIELDS)
    chunks, lines = _staged(found)
    plan = _model(segments, settings)

    assert [one for chunk in chunks for one in _unpacked(chunk)] == _expected_members(plan, settings)
    assert [(int(line.segment), line.row, line.outcome, line.code) for line in lines] == plan.lines
    assert all(line.email == (segments[int(line.segment)][line.row - 1]["email"] or "") for line in lines)

    duplicates = [line.message for line in lines if line.outcome == "duplicate"]
    assert [message.partition(" and ")[0] for message in duplicates] == plan.stand_ins

    full = [settings.chunk_size] * (len(chunks) - 1)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.count for chunk in chunks[:-1]] == full
    assert all(1 <= chunk.count <= settings.chunk_size for chunk in chunks)

    counts = found.counts()
    outcomes = [outcome for _, _, outcome, _ in plan.lines]
    assert counts == {
        "read": sum(map(len, segments)),
        **{name: outcomes.count(name) for name in ("invalid", "duplicate", "rejected")},
        "unchanged": 0,
        "suppressed": 0,
        "to_send": sum(chunk.count for chunk in chunks),
    }
    assert counts["read"] == sum(counts.values()) - counts["read"]
    people = plan.people.values()
    assert found.bad_values == {tag: sum(tag in one.bad for one in people) for tag in settings.attributes}
    assert found.cut_values == {tag: sum(tag in one.cut for one in people) for tag in settings.attributes}


@hypothesis(deadline=None)
@given(_segments, _settings, st.integers(1, 7), st.integers(1, 7))
def test_planning_again_gives_the_same_bytes_however_the_rows_come(
    memory_table: type, segments: list[list[Row]], settings: PlanSettings, height: int, another: int
) -> None:
    schema = dict.fromkeys(_COLUMNS, pl.String)
    one, two = (
        survey(
            [
                memory_table(str(number), pl.DataFrame(rows, schema=schema), height=rows_at_once)
                for number, rows in enumerate(segments)
            ],
            settings,
            _FIELDS,
        )
        for rows_at_once in (height, another)
    )
    assert one.rows.equals(two.rows)
    assert _staged(one) == _staged(two)


@hypothesis(deadline=None, max_examples=50)
@given(st.lists(_rows, max_size=8), _settings)
def test_two_profiles_have_one_payload_hash_when_the_same_is_sent_of_them(
    memory_table: type, rows: list[Row], settings: PlanSettings
) -> None:
    schema = dict.fromkeys(_COLUMNS, pl.String)
    runs = [
        survey([memory_table("one", pl.DataFrame([row], schema=schema))], settings, _FIELDS) for row in rows
    ]
    sent = [
        (json.dumps(_unpacked(chunk)[0][2]), run.rows["payload_hash"].item())
        for run in runs
        for chunk in _staged(run)[0]
    ]
    assert len(dict(sent)) == len({payload for _, payload in sent}) == len(set(sent))
