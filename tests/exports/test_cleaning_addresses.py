import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.exports.cleaning import clean_addresses

_ATOM = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-")
# White_Space of Unicode; Python counts four control characters more
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _clean(found: str | None) -> tuple[str | None, bool]:
    row = clean_addresses(pl.Series([found], dtype=pl.String)).row(0)
    return row[0], row[1]


def reference(found: str) -> tuple[str | None, bool]:
    """The rule once more, letter by letter."""
    stripped = found.strip(_SPACE)
    if not stripped:
        return None, True
    local, at, domain = stripped.partition("@")
    labels = domain.split(".")
    is_usable = (
        at == "@"
        and 1 <= len(local) <= 64
        and all(atom and set(atom) <= _ATOM for atom in local.split("."))
        and len(labels) >= 2
        and all(map(_is_label, labels))
        and len(stripped.lower().encode()) <= 254
    )
    return (stripped.lower() if is_usable else None), False


def _is_label(label: str) -> bool:
    plain = all(
        letter == "-" or unicodedata.category(letter)[0] in "LM" or letter.isdecimal() for letter in label
    )
    return bool(label) and plain and not label.startswith("-") and not label.endswith("-")


@pytest.mark.parametrize(
    ("found", "clean"),
    [
        ("a@x.org", "a@x.org"),
        (" \u00a0A.b+C@X-y.ORG\u2003\r\n", "a.b+c@x-y.org"),
        ("o'neil@münchen.DE", "o'neil@münchen.de"),
        ("a@例え.jp", "a@例え.jp"),
        ("a@उदाहरण.भारत", "a@उदाहरण.भारत"),
        ("a" * 64 + "@x.org", "a" * 64 + "@x.org"),
        ("a@" + "b" * 248 + ".org", "a@" + "b" * 248 + ".org"),
    ],
)
def test_an_address_is_stripped_and_lower_cased(found: str, clean: str) -> None:
    assert _clean(found) == (clean, False)


@pytest.mark.parametrize("found", [None, "", " ", "\u3000\t"])
def test_no_address_at_all_is_missing(found: str | None) -> None:
    assert _clean(found) == (None, True)


@pytest.mark.parametrize(
    "found",
    [
        "x", "@", "a@", "@x.org", "a@b", "a@@x.org", "a@b@x.org", ".a@x.org", "a.@x.org", "a..b@x.org",
        "a b@x.org", "ä@x.org", '"a"@x.org', "a@-x.org", "a@x-.org", "a@x..org", "a@.x.org", "a@x.org.",
        "a@x_y.org", "a@[1.2.3.4]", "a@x.org\0", "a\n@x.org", "a@x.org,b@x.org", "<a@x.org>",
        "a@x.org\u200b", "\u212a@x.org", "a@x½.org",
        "a" * 65 + "@x.org", "a@" + "b" * 249 + ".org", "a@" + "ü" * 125 + ".org",
    ],
)  # fmt: skip
def test_what_is_no_address_is_malformed_and_not_missing(found: str) -> None:
    assert _clean(found) == (None, False)


_letters = st.one_of(
    st.sampled_from("aZ0.@- _+'\"ü中\u00a0\u0301"), st.characters(exclude_categories=["Cs", "Cn", "Co"])
)
_parts = st.text(_letters, max_size=6)


@settings(deadline=None)
@given(st.lists(st.one_of(st.builds("{}@{}.{}".format, _parts, _parts, _parts), _parts), min_size=1))
@example(["İ@x.org", "a@İ.org", "a@ΑΣ.org"])
def test_the_rule_is_the_same_as_written_letter_by_letter(addresses: list[str]) -> None:
    found = clean_addresses(pl.Series(addresses, dtype=pl.String))
    assert found.rows() == [reference(address) for address in addresses]
