"""What a user would write by hand today: Mailchimp's official client and ten threads.

Two forms, neither a straw man: a .parquet file by a data frame (only the columns that are needed; the
members of a call are made when the call is), a .csv file by the standard library, as most scripts do. Both
clean the addresses and leave doubles out. It says "ready", waits for a line, works, prints its counts, and
waits for another line, so that what it took can be read from outside.
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import mailchimp_marketing
import polars as pl

ATTRIBUTES: Final = {
    "FNAME": "first_name",
    "LNAME": "last_name",
    "PHONE": "phone",
    "CITY": "city",
    "VISITS": "visits",
}
ADDRESS: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
THREADS: Final = 10
BATCH: Final = 500
COUNTS: Final = ("total_created", "total_updated", "error_count")

Rows = Iterable[Mapping[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    for name in ("--url", "--api-key", "--audience", "--tag"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(export(options)), flush=True)
    sys.stdin.readline()


def export(options: argparse.Namespace) -> dict[str, int]:
    client = mailchimp_marketing.Client({"api_key": options.api_key})
    client.api_client.host = f"{options.url}/3.0"

    def send(rows: Rows) -> Mapping[str, Any]:
        body = {"members": [member(row, options.tag) for row in rows], "update_existing": True}
        answer: Mapping[str, Any] = client.lists.batch_list_members(options.audience, body)
        return answer

    batches = frame_batches if options.path.suffix == ".parquet" else csv_batches
    with ThreadPoolExecutor(THREADS) as pool:
        counted = [[answer[name] for name in COUNTS] for answer in pool.map(send, batches(options.path))]
    return {name: sum(each) for name, each in zip(COUNTS, zip(*counted, strict=True), strict=True)}


def frame_batches(path: Path) -> Iterator[Rows]:
    profiles = (
        pl.read_parquet(path, columns=["email", *ATTRIBUTES.values()])
        .with_columns(pl.col("email").str.strip_chars().str.to_lowercase())
        .filter(pl.col("email").str.contains(ADDRESS))
        .unique("email", keep="first", maintain_order=True)
    )
    for batch in profiles.iter_slices(BATCH):
        yield batch.iter_rows(named=True)


def csv_batches(path: Path) -> Iterator[Rows]:
    seen: dict[str, Mapping[str, Any]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            email = row["email"] = row["email"].strip().lower()
            if re.match(ADDRESS, email):
                seen.setdefault(email, row)
    profiles: Sequence[Mapping[str, Any]] = list(seen.values())
    for start in range(0, len(profiles), BATCH):
        yield profiles[start : start + BATCH]


def member(row: Mapping[str, Any], tag: str) -> dict[str, Any]:
    return {
        "email_address": row["email"],
        "status_if_new": "subscribed",
        "merge_fields": {field: row[column] for field, column in ATTRIBUTES.items()},
        "tags": [tag],
    }


if __name__ == "__main__":
    main()
