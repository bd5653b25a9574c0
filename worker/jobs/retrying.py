"""Whom a retry sends: those whom an earlier run's report names as failed or rejected."""

from collections.abc import Sequence

import polars as pl

from worker.errors import StopRun
from worker.exports.cleaning import clean_addresses
from worker.exports.outcomes import RETRIED
from worker.exports.statuses import hash_of
from worker.store.objects import MissingObject, Objects, Sealer
from worker.store.reports import read_lines


def asked_again(objects: Objects, sealer: Sealer, run_id: str, parts: Sequence[str]) -> pl.Series:
    """The address hashes of the failed and the rejected profiles of a run, each once.

    Raises:
        StopRun: the run's report has expired.
        RetryLater: the store can't be reached for the moment.
    """
    try:
        lines = read_lines(objects, sealer, run_id, parts)
        named = [line.email for line in lines if line.outcome in RETRIED]
    except MissingObject:
        raise StopRun(
            f"The report of run {run_id} has expired, so nobody knows whom to retry: run the export itself."
        ) from None
    addresses = clean_addresses(pl.Series(named, dtype=pl.String))["email"].drop_nulls()
    return hash_of(addresses).unique()
