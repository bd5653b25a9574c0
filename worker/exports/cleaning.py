"""E-mail addresses: cleaned, and told apart from what is none.

International characters may stand after the @ only (Mailchimp's documents).
"""

from typing import Final

import polars as pl

MISSING: Final = "email_missing"
MALFORMED: Final = "email_malformed"

_LONGEST: Final = 254  # bytes, RFC 5321
_LONGEST_LOCAL_PART: Final = 64
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EDGE: Final = r"[\p{L}\p{M}\p{Nd}]"
_LABEL: Final = rf"{_EDGE}(?:[\p{{L}}\p{{M}}\p{{Nd}}-]*{_EDGE})?"
_ADDRESS: Final = rf"^{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$"


def clean_addresses(found: pl.Series) -> pl.DataFrame:
    """Cleans a column of text; gives `email` and `missing`.

    `email` is the stripped, lower-cased address, which is who a member is; null where there is none
    (`missing`: null or blank) or where it is malformed. An address is a dot-atom of at most 64 characters,
    an @, and a domain of two or more labels of letters, digits and inner hyphens; 254 bytes at most in all.
    """
    stripped = found.str.strip_chars()
    clean = stripped.str.to_lowercase()
    usable = (
        # before lower-casing, which turns some foreign letters into plain ones
        stripped.str.contains(_ADDRESS)
        & (clean.str.len_bytes() <= _LONGEST)
        & (clean.str.find("@", literal=True) <= _LONGEST_LOCAL_PART)
    )
    return pl.DataFrame({"clean": clean, "usable": usable}).select(
        pl.when("usable").then("clean").alias("email"),
        (pl.col("clean").is_null() | (pl.col("clean").str.len_bytes() == 0)).alias("missing"),
    )
