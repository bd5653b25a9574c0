import polars as pl

from worker.exports.delta import KNOWN, NO_PAYLOAD, OUT, REFUSED, Standing, Why, hold_against, leavers
from worker.exports.plan import RowVerdict
from worker.exports.planning import PlanSettings, Survey, survey
from worker.exports.statuses import hash_of

_SETTINGS = PlanSettings(email="email", tags=("Loyal", "New"))


def _found(memory_table: type) -> Survey:
    return survey(
        [
            memory_table("loyal", {"email": ["a@x.org", "b@x.org", "nobody", "c@x.org", "B@x.org "]}),
            memory_table("new", {"email": ["c@x.org", "d@x.org", "a@x.org"]}),
        ],
        _SETTINGS,
        [],
    )


def _known(found: Survey, *addresses: str, payload: int | None = None) -> pl.DataFrame:
    rows = found.rows.filter(pl.col("kept").is_null()).join(
        hash_of(addresses).to_frame(), on="address_hash", how="semi"
    )
    if payload is not None:
        rows = rows.with_columns(payload_hash=pl.lit(payload, dtype=pl.UInt128))
    return rows.select(list(KNOWN))


def _verdicts(found: Survey) -> list[str]:
    return [RowVerdict(verdict).name for verdict in found.rows["verdict"]]


SKIP = "NOT_ASKED"


def test_only_those_asked_for_are_sent_each_once(memory_table: type) -> None:
    found = _found(memory_table)
    held = hold_against(found, Standing(asked=hash_of(["a@x.org", "c@x.org"])))
    assert _verdicts(held) == ["SEND", SKIP, SKIP, "SEND", SKIP, SKIP, SKIP, SKIP]
    counts = held.counts()
    assert (counts["read"], counts["to_send"], counts["duplicate"], counts["invalid"]) == (2, 2, 0, 0)


def test_nobody_is_asked_for_when_all_are_gone(memory_table: type) -> None:
    held = hold_against(_found(memory_table), Standing(asked=hash_of(["elsewhere@x.org"])))
    assert held.counts()["read"] == 0


def test_quarantine_is_not_asked_and_consent_is(memory_table: type) -> None:
    found = _found(memory_table)
    quarantined = _known(found, "a@x.org", "b@x.org").select("address_hash", "payload_hash")
    out = hash_of(["b@x.org"]).to_frame()
    standing = Standing(
        asked=hash_of(["a@x.org", "b@x.org"]),
        refused=quarantined.with_columns(why=pl.lit(int(Why.QUARANTINED), dtype=pl.UInt8)).select(
            list(REFUSED)
        ),
        out=out.with_columns(why=pl.lit(int(Why.UNSUBSCRIBED), dtype=pl.UInt8)).select(list(OUT)),
    )
    assert _verdicts(hold_against(found, standing))[:2] == ["SEND", "SUPPRESSED"]


def test_who_was_accepted_since_is_unchanged_whatever_was_sent_then(memory_table: type) -> None:
    found = _found(memory_table)
    accepted = pl.concat([_known(found, "a@x.org", payload=7), _known(found, "b@x.org", payload=NO_PAYLOAD)])
    standing = Standing(accepted=accepted, asked=hash_of(["a@x.org", "b@x.org", "c@x.org"]))
    held = hold_against(found, standing)
    assert [_verdicts(held)[at] for at in (0, 1, 3)] == ["UNCHANGED", "SEND", "SEND"]


def test_nobody_leaves_by_a_retry(memory_table: type) -> None:
    found = _found(memory_table)
    accepted = _known(found, "a@x.org").with_columns(tags=pl.lit(3, dtype=pl.UInt64))
    gone = accepted.with_columns(address_hash=hash_of(["gone@x.org"]))
    standing = Standing(accepted=pl.concat([accepted, gone]), asked=hash_of(["c@x.org"]))
    assert leavers(hold_against(found, standing), standing).is_empty()
