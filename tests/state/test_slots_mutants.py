"""The model checkers are checked: bugs that are sown into the transitions, and that they have to find."""

from collections.abc import Mapping
from typing import Final

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.chaos.sampling import some
from tests.state.test_slots_machine import SlotMachine
from tests.state.test_slots_rules import RulesMachine
from worker.state import scripts

# a bug: what stands in the scripts, and what stands there instead
BUGS: Final[Mapping[str, tuple[str, str]]] = {
    "a slot too many": (
        "return limit - redis.call('ZCARD', conn_key(conn) .. ':leases')",
        "return limit + 1 - redis.call('ZCARD', conn_key(conn) .. ':leases')",
    ),
    "any token will do": ("if record and record.t == token and", "if record and"),
    "a time-out frees its slot at once": ("if ARGV[10] == '1' then haunt(", "if false then haunt("),
    "expired leases are not taken back": ("sweep(ARGV[4])\ngrant(ARGV[4])", "grant(ARGV[4])"),
    "a message is taken twice": ("if not record or record.s ~= 'granted'", "if not record"),
    "settling keeps the slot": (
        "if record then redis.call('ZREM', conn_key(conn) .. ':leases', lease_name(run, chunk)) end",
        "",
    ),
    "a call begins on a paused connection": ("if conn_get(conn, 'paused', 0) == 1 then", "if false then"),
    "slots are lent on a paused connection": (
        "or conn_get(conn, 'paused', 0) == 1 then return 0",
        "then return 0",
    ),
    "a stop leaves what waits": ("fail_waiting(run, 'not_sent')", ""),
    "a call that lost its lease is not counted": ("haunt(conn, token, now + policy.lease)", ""),
    "a late renewal brings back a call that ended": ("elseif not has_ended(conn, token) then", "else"),
    # these take some hundred examples to find
    "a killed worker's call is forgotten": ("haunt(conn, record.t, record.b + ghost_span(conn))", ""),
    "tokens are given again": ("ARGV[2] .. '-' .. granted_here", "'t-' .. granted_here"),
    "a done chunk stays open": ("redis.call('SREM', run_key(run) .. ':open', chunk)", ""),
    "half of a divided chunk is forgotten": ("for i = 12, #ARGV, 4 do", "for i = 12, #ARGV - 4, 4 do"),
}
_SETTINGS: Final = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", some(list(BUGS), 10))
def test_a_bug_that_was_sown_is_found(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    """None of them may survive: whatever promise it breaks, some sequence of events shows it."""
    sound, (right, wrong) = scripts._texts(), BUGS[bug]
    sown = {name: text.replace(right, wrong) for name, text in sound.items()}
    assert sown != sound, "the scripts have changed: sow this bug anew"
    monkeypatch.setattr(scripts, "_texts", lambda: sown)
    assert any(finds_it(machine, redis_client) for machine in (RulesMachine, SlotMachine))


def finds_it(machine: type[RuleBasedStateMachine], client: "redis.Redis") -> bool:
    """Whether a model checker notices."""
    try:
        run_state_machine_as_test(type("Machine", (machine,), {"client": client}), settings=_SETTINGS)
    except (AssertionError, redis.ResponseError):
        return True
    return False
