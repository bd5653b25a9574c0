import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.catalog_file import load
from worker.exports.declarations import Definitions
from worker.exports.definitions import Connection, Export, Segment

Write = Callable[[str | bytes], Path]

AGREED = "{agreed_by: D, agreed_on: 2026-11-23}"
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


def sentences(path: Path, known: Definitions = KNOWN) -> list[str]:
    declared = load(path, known=known, seal=lambda _connection, _key: "encrypted:AAAA")
    return [str(problem).removeprefix(f"{path}:") for problem in declared.problems]


def connection_with(lines: str) -> str:
    head = f"connections:\n  newsletter:\n    type: mailchimp\n    consent: {AGREED}\n"
    return head + textwrap.indent(textwrap.dedent(lines), "    ")


def segment_with(lines: str) -> str:
    return "segments:\n  loyal:\n" + textwrap.indent(textwrap.dedent(lines), "    ")


def export_with(lines: str, *, leave_out: str = "") -> str:
    usual = ["connection: shared", "audience_id: a1b2c3d4e5", "segments: [vip]", "email: email"]
    kept = [line for line in usual if not line.startswith(leave_out or "-")]
    return "exports:\n  weekly:\n" + textwrap.indent("\n".join(kept) + "\n" + textwrap.dedent(lines), "    ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            connection_with("api_key: env:KEY\nconsentt: {}"),
            '6: Connection newsletter has an unknown key "consentt"; did you mean consent?',
        ),
        (
            "connections:\n  c:\n    type: mailchimp\n    api_key: env:KEY\n    consent: {agreed_by: Dana}",
            "5: consent of connection c has no agreed_on; write the day of the agreement as YYYY-MM-DD.",
        ),
        (
            (
                "connections:\n  c:\n    type: mailchimp\n    api_key: env:KEY\n"
                "    consent: {agreed_by: D, agreed_on: 23.11.2026}"
            ),
            (
                "5: consent.agreed_on of connection c can't be used; write the day of the agreement as "
                "YYYY-MM-DD."
            ),
        ),
        (
            "connections:\n  c:\n    type: mailchimp\n    api_key: env:KEY\n    consent: dana@example.com",
            (
                "5: consent of connection c can't be used; write {agreed_by: …, agreed_on: YYYY-MM-DD}, "
                "as nothing is exported without consent."
            ),
        ),
        (
            connection_with(""),
            (
                "2: Connection newsletter has no api_key; write env:NAME or file:PATH, resolved in the "
                "workers, "
                "or the key itself, stored encrypted."
            ),
        ),
        (
            connection_with("api_key: env:KEY\nmax_connections: '3'"),
            '6: max_connections of connection newsletter is "3"; write a whole number from 1 to 10.',
        ),
        (
            connection_with("api_key: env:KEY\naccess: everybody"),
            '6: access of connection newsletter is "everybody"; write administrators or contributors.',
        ),
        (
            segment_with("source: {sql: select 1, database: env:WAREHOUSE_URL}"),
            (
                "3: source of segment loyal is an SQL query or another mapping, which is not supported yet; "
                "write the path of a Parquet, CSV or NDJSON file."
            ),
        ),
        (
            segment_with("source: s3://key:secret@bucket/loyal.csv"),
            (
                "3: source of segment loyal is a URL of a kind that is not supported yet; "
                "write a local path or a file:// URL."
            ),
        ),
        (
            segment_with("source: a.csv\ndisplay_name: " + "word " * 13),
            (
                "4: display_name of segment loyal is 64 characters long; "
                "write the name of the tag in Mailchimp, 1 to 50 characters."
            ),
        ),
        (
            segment_with("display_name: Loyal"),
            (
                "2: Segment loyal has no source; write the path of a Parquet, CSV or NDJSON file, "
                "such as data/{refresh_id}/loyal.parquet."
            ),
        ),
        (
            "segments:\n  Loyal Ones: {source: a.csv, display_name: x}",
            (
                '2: name of segment "Loyal Ones" can\'t be used; write 1 to 63 lower-case letters, digits, '
                "hyphens "
                "and underscores that begin with a letter or digit."
            ),
        ),
        (
            segment_with("source: a.csv\nname: loyal"),
            "4: Segment loyal has a key name; take it out, as the name is what it stands under.",
        ),
        ("segments:\n  loyal: a.csv", "2: Segment loyal is not a mapping; write its keys below it."),
        ("segments: [loyal]", "1: segments is not a mapping; write names and below each its keys."),
        (
            export_with("", leave_out="email"),
            "2: Export weekly has no email; write the column of the e-mail addresses.",
        ),
        (
            export_with("email: true", leave_out="email"),
            "6: email of export weekly is true; write the column of the e-mail addresses.",
        ),
        (
            export_with("email:", leave_out="email"),
            "6: email of export weekly is empty; write the column of the e-mail addresses.",
        ),
        (
            export_with("segments: vip", leave_out="segments"),
            (
                '6: segments of export weekly is "vip"; write a list of 1 to 63 names of segments, '
                "such as [loyal-customers]."
            ),
        ),
        (
            export_with("segments: []", leave_out="segments"),
            (
                "6: segments of export weekly is empty; write a list of 1 to 63 names of segments, "
                "such as [loyal-customers]."
            ),
        ),
        (
            export_with("segments: [vip, vip]", leave_out="segments"),
            "6: segments of export weekly names vip more than once; name each segment once.",
        ),
        (
            export_with("audience_id: dana@example.com", leave_out="audience_id"),
            (
                "6: audience_id of export weekly can't be used; write the audience's ID of ten lower-case "
                "letters and "
                "digits, such as a1b2c3d4e5."
            ),
        ),
        (
            export_with("run: 0 25 * * 1"),
            (
                "7: run of export weekly is a schedule that can't be followed (bad hour); write a cron line "
                "of five fields (minute, hour, day of month, month, day of week) in quotes, such as "
                "'0 6 * * 1'."
            ),
        ),
        (export_with("mode: sync"), '7: mode of export weekly is "sync"; write upsert or mirror.'),
        (
            export_with("status_if_new: cleaned"),
            '7: status_if_new of export weekly is "cleaned"; write subscribed, pending or transactional.',
        ),
        (
            export_with("max_profiles: 0"),
            "7: max_profiles of export weekly is 0; write a whole number above 0.",
        ),
        (
            export_with("attributes:\n  fname: first"),
            (
                "8: attributes.fname of export weekly is not a merge tag; "
                "write 1 to 10 characters of A-Z, 0-9 and _, such as FNAME."
            ),
        ),
        (
            export_with("attributes: {EMAIL: email}"),
            (
                "7: attributes.EMAIL of export weekly can't be mapped as an attribute; "
                "the key email names the column of the addresses."
            ),
        ),
        (
            export_with("attributes: [FNAME]"),
            (
                "7: attributes of export weekly is a list; "
                "write merge tags and the columns they are filled from, such as {FNAME: first_name}."
            ),
        ),
        (
            export_with("attributes: {FNAME: [a, b]}"),
            (
                "7: attributes.FNAME of export weekly is a list; write the name of a column, or the columns "
                "of an "
                "address as {addr1: …, city: …, state: …, zip: …}."
            ),
        ),
        (
            export_with("attributes:\n  ADDRESS: {addr1: a, city: c, state: s}"),
            "8: attributes.ADDRESS of export weekly has no zip; write the column of the postal code.",
        ),
        (
            export_with("attributes:\n  ADDRESS: {addr1: a, city: c, state: s, zip: z, streat: x}"),
            '8: attributes.ADDRESS of export weekly has an unknown key "streat"; did you mean state?',
        ),
        (
            export_with("connection: nobody", leave_out="connection"),
            (
                '6: Export weekly names connection "nobody", which is neither in this file nor in the '
                "catalog; "
                "declare it or name another."
            ),
        ),
        (
            export_with("segments:\n- vip\n- Very Important", leave_out="segments"),
            (
                '8: Export weekly names segment "Very Important", which is neither in this file nor in the '
                "catalog; "
                "declare it or name another."
            ),
        ),
        (
            export_with(f"tag_prefix: {'x' * 48}"),
            (
                "2: The tag of segment vip in export weekly, tag_prefix and display_name together, "
                "has 51 characters, and Mailchimp takes 1 to 50; shorten one."
            ),
        ),
    ],
)
def test_each_problem_is_one_sentence_with_its_line(write: Write, content: str, sentence: str) -> None:
    assert sentences(write(content)) == [sentence]


def test_two_segments_of_an_export_need_two_tags(write: Write) -> None:
    path = write(
        "segments:\n  v: {source: v.csv, display_name: vip}\n"
        + export_with("segments: [vip, v]", leave_out="segments")
    )
    assert sentences(path) == [
        (
            "4: Segments vip and v of export weekly would share one tag in Mailchimp; "
            "give them display_names that differ in more than case."
        )
    ]


def test_a_segment_renamed_below_an_export_applied_before_is_checked_with_it(write: Write) -> None:
    export = Export(
        name="weekly", connection="shared", audience_id="a1b2c3d4e5", segments=("vip", "v"), email="email"
    )
    known = Definitions(
        KNOWN.connections, {**KNOWN.segments, "v": Segment(name="v", source="v.csv")}, {"weekly": export}
    )
    assert sentences(write("segments:\n  v: {source: v.csv, display_name: Vips}"), known) == []
    for name in ("v", "vip"):
        other = "VIP" if name == "v" else "v"
        path = write(f"segments:\n  {name}: {{source: v.csv, display_name: {other}}}")
        assert sentences(path, known) == [
            (
                "2: Segments vip and v of export weekly would share one tag in Mailchimp; "
                "give them display_names that differ in more than case."
            )
        ]


def test_a_reference_to_a_broken_declaration_is_not_told_as_well(write: Write) -> None:
    path = write("segments:\n  loyal: {}\n" + export_with("segments: [loyal]", leave_out="segments"))
    assert len(sentences(path)) == 1
