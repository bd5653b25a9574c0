"""Tokens and the audit log in Redis, on both servers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import fakeredis
import pytest
import redis

from worker.state import keys
from worker.state.audit import Audit
from worker.state.tokens import Token, Tokens

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture(params=["fake", "real"])
def client(request: pytest.FixtureRequest) -> Iterator["redis.Redis"]:
    if request.param == "real":
        yield request.getfixturevalue("redis_client")
        return
    yield fakeredis.FakeRedis(decode_responses=True)


def made(tokens: Tokens, *, expires_at: datetime | None = None) -> tuple[str, Token]:
    return tokens.create("job", "viewer", by="ada", now=NOW, expires_at=expires_at)


def test_a_token_has_256_random_bits_behind_its_prefix_and_only_its_hash_is_kept(
    client: "redis.Redis",
) -> None:
    tokens = Tokens(client)
    secrets = {made(tokens)[0] for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(secret) == 46 and secret.startswith("se_") for secret in secrets)
    assert not any(secret in str(client.hgetall(keys.TOKENS)) for secret in secrets)


def test_only_the_very_token_is_found(client: "redis.Redis") -> None:
    tokens = Tokens(client)
    secret, token = made(tokens)
    assert tokens.find(secret, NOW) == token
    other = "A" if secret[-1] != "A" else "B"
    for wrong in (
        "",
        "se_",
        secret[:-1],
        secret[:-1] + other,
        secret + "\n",
        token.id,
        token.hash,
        "\u017fe_" + "a" * 43,
    ):
        assert tokens.find(wrong, NOW) is None


def test_a_token_ends_when_its_time_is_over_and_when_it_is_revoked(client: "redis.Redis") -> None:
    tokens = Tokens(client)
    secret, token = made(tokens, expires_at=NOW + timedelta(hours=1))
    assert tokens.find(secret, NOW + timedelta(minutes=59)) is not None
    assert tokens.find(secret, NOW + timedelta(hours=1)) is None
    tokens.revoke(token.id)
    assert tokens.find(secret, NOW) is None
    assert (tokens.all(), client.exists(keys.TOKENS, keys.TOKENS_USED)) == ([], 0)


def test_the_last_use_is_noted_once_a_minute(client: "redis.Redis") -> None:
    tokens = Tokens(client)
    secret, token = made(tokens)
    seen = []
    for seconds in (0, 59, 61, 62):
        tokens.find(secret, NOW + timedelta(seconds=seconds))
        found = tokens.get(token.id)
        assert found is not None
        seen.append(found.used_at)
    later = NOW + timedelta(seconds=61)
    assert seen == [NOW, NOW, later, later]


def test_entries_come_newest_first_past_any_number_of_others(client: "redis.Redis") -> None:
    audit = Audit(client)
    for number in range(1200):
        audit.add(who="ada", role="administrator", what="edit", on=f"export {number % 600}")
    found = audit.newest(most=5, wanted=lambda entry: entry.on == "export 0")
    assert len(found) == 2
    assert audit.newest(before=found[0].id, most=1)[0].on == "export 599"
    assert len(audit.newest(most=10_000)) == 1200
    assert audit.newest(before=audit.newest(most=10_000)[-1].id) == []


def test_an_entry_of_a_transaction_that_is_not_carried_out_is_not_there(client: "redis.Redis") -> None:
    audit = Audit(client)
    with client.pipeline(transaction=True) as pipeline:
        audit.add(who="ada", role="administrator", what="edit", on="export a", within=pipeline)
        pipeline.reset()
    assert audit.newest() == []
