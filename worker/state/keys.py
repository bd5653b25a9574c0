"""Every Redis key that the project owns, outside the broker's own namespace.

| key | type | holds | lives |
| --- | --- | --- | --- |
| `se:catalog:connections`, …`:segments`, `:exports`, `:notifications` | hash | definitions | until removed |
| `se:catalog:made` | hash | `KIND:NAME` → when it was made, and by whom, JSON | until removed |
| `se:catalog:removing` | set | removed exports whose memory is still there | emptied by workers |
| `se:tokens` | hash | id of an API token → name, role, hash, JSON | until revoked |
| `se:tokens:used` | hash | id of an API token → when it was used last | until revoked |
| `se:audit` | stream | who changed what | trimmed to the newest 100,000 |
| `se:conn:C` | hash | limit, cool-down, pause and counters of connection C | 30 days after its last call |
| `se:conn:C:leases` | zset | `RUN CHUNK` or `call:TOKEN` → deadline | while calls are open |
| `se:conn:C:wants` | zset | token → until when a borrower's wish stands | while somebody waits |
| `se:conn:C:turns` | zset | run → virtual time of its next turn | while chunks are pending |
| `se:conn:C:durations` | list | how long the last calls took, ms | as `se:conn:C` |
| `se:connections` | set | connections with pending or open chunks | while there are any |
| `se:run:R` | hash | the run: definition, status, counts | mortal, see `Policy.keep` |
| `se:run:R:chunks` | hash | chunk → its record, JSON | mortal |
| `se:run:R:ready` | zset | pending chunk → not before, ms | mortal |
| `se:run:R:later` | zset | chunk of a later phase → its phase | mortal |
| `se:run:R:open` | set | chunks of this phase not settled | mortal |
| `se:run:R:report` | set | names of its report's parts | mortal |
| `se:runs` | zset | run → created, ms | trimmed to `Policy.keep` |
| `se:active` | set | runs not in a final state | emptied by their ends |
| `se:tidy` | set | ended runs whose staged data is still there | emptied by workers |
| `se:export:E` | hash | `active` run, `next` run | while there are any |
| `se:export:E:refresh:ID` | hash | segment → the run that its refresh created | mortal |
| `se:export:E:snapshot` | string | version of the snapshot that counts | until the export is removed |
| `se:audience:C:ID` | string | how the audience takes batch calls, JSON | 30 days |
| `se:oauth:HASH` | string | an authorization at Mailchimp under way, by the hash of its state | 10 minutes |
| `se:turn:CHORE` | string | which process has the turn at a shared chore | as long as the turn |
| `se:attempts:HASH` | string | failed attempts to get in, of one origin | a minute |
| `se:event:DIGEST` | string | what the event of a source and id led to, JSON | `Policy.keep` |
| `se:events:refused` | stream | events that were set aside, and why | the newest 1,000, for `Policy.keep` |
| `se:workers`, `se:clocks` | zset | worker or clock process → last seen, ms | trimmed |
| `se:schedules` | hash | export → its cron line, and what it fired for last, JSON | while it has one |
| `se:expected` | hash | export → since when a refresh is expected, and what was told, JSON | while one is |
| `se:outbox` | zset | `EVENT SUBJECT` → when it happened, ms | mortal; emptied by clocks |
| `se:deliveries` | zset | `CHANNEL EVENT SUBJECT WHEN` → not to be tried before, ms | as `se:outbox` |
| `se:deliveries:tries` | hash | delivery → how often it was tried | as `se:deliveries` |
| `se:undelivered` | zset | delivery and reason → when it was given up, ms | trimmed to `Policy.keep` |
| `se:refreshed` | hash | export → when a refresh last created a run of it, ms | until the export is removed |

A lease named `call:TOKEN` has no chunk behind it, or one whose holder was lost.

All times are Redis' own, in milliseconds since the epoch. The Lua prelude builds the same names.
"""

from typing import Final

NAMESPACE: Final = "se"

CATALOG_CONNECTIONS: Final = f"{NAMESPACE}:catalog:connections"
CATALOG_SEGMENTS: Final = f"{NAMESPACE}:catalog:segments"
CATALOG_EXPORTS: Final = f"{NAMESPACE}:catalog:exports"
CATALOG_NOTIFICATIONS: Final = f"{NAMESPACE}:catalog:notifications"

MADE: Final = f"{NAMESPACE}:catalog:made"
REMOVING: Final = f"{NAMESPACE}:catalog:removing"
TOKENS: Final = f"{NAMESPACE}:tokens"
TOKENS_USED: Final = f"{NAMESPACE}:tokens:used"
AUDIT: Final = f"{NAMESPACE}:audit"

CONNECTIONS: Final = f"{NAMESPACE}:connections"
RUNS: Final = f"{NAMESPACE}:runs"
ACTIVE: Final = f"{NAMESPACE}:active"
TIDY: Final = f"{NAMESPACE}:tidy"
TURN: Final = f"{NAMESPACE}:turn"
WORKERS: Final = f"{NAMESPACE}:workers"
EVENTS_REFUSED: Final = f"{NAMESPACE}:events:refused"
CLOCKS: Final = f"{NAMESPACE}:clocks"
SCHEDULES: Final = f"{NAMESPACE}:schedules"
EXPECTED: Final = f"{NAMESPACE}:expected"
REFRESHED: Final = f"{NAMESPACE}:refreshed"
OUTBOX: Final = f"{NAMESPACE}:outbox"
DELIVERIES: Final = f"{NAMESPACE}:deliveries"
UNDELIVERED: Final = f"{NAMESPACE}:undelivered"


def connection(name: str) -> str:
    """The hash of a connection's limit and cool-down."""
    return f"{NAMESPACE}:conn:{name}"


def leases(name: str) -> str:
    """The open calls of a connection, by deadline."""
    return f"{connection(name)}:leases"


def run(run_id: str) -> str:
    """The hash of a run."""
    return f"{NAMESPACE}:run:{run_id}"


def chunks(run_id: str) -> str:
    """The records of a run's chunks."""
    return f"{run(run_id)}:chunks"


def open_chunks(run_id: str) -> str:
    """The chunks of a run's present phase that are not settled."""
    return f"{run(run_id)}:open"


def report(run_id: str) -> str:
    """The names of the parts of a run's report."""
    return f"{run(run_id)}:report"


def export(name: str) -> str:
    """The active run of an export and the one that follows it."""
    return f"{NAMESPACE}:export:{name}"


def snapshot(export_name: str) -> str:
    """The version of the snapshot that counts."""
    return f"{export(export_name)}:snapshot"


def turn(chore: str) -> str:
    """Who has the turn at a shared chore."""
    return f"{TURN}:{chore}"


def event(digest: str) -> str:
    """What an event led to."""
    return f"{NAMESPACE}:event:{digest}"


def audience(connection_name: str, audience_id: str) -> str:
    """What was learned of an audience."""
    return f"{NAMESPACE}:audience:{connection_name}:{audience_id}"


def refresh(export_name: str, refresh_id: str) -> str:
    """The runs that a refresh created, by segment."""
    return f"{export(export_name)}:refresh:{refresh_id}"


def attempts(origin: str) -> str:
    """How often somebody tried to get in without being let in."""
    return f"{NAMESPACE}:attempts:{origin}"


def authorization(state_hash: str) -> str:
    """An authorization at Mailchimp that is under way."""
    return f"{NAMESPACE}:oauth:{state_hash}"
