"""Whether an installation is fit to work: Redis, the store, the keys, the workers, the versions."""

import platform
import secrets
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

import redis

from producer.application import Producer
from producer.faults import explain
from producer.findings import Finding, fail, ok, warn
from producer.following import NO_WORKERS
from producer.wording import counted
from worker import credentials
from worker.broker import dead_letters
from worker.errors import SegmentExportError
from worker.exports.definitions import Connection
from worker.exports.schedules import is_schedule
from worker.keyring import VARIABLE
from worker.settings import KEY_FILE, environ
from worker.state.fitness import server_warnings

# a script that asks for the time before it writes is refused by older ones
_OLDEST: Final = 5
_FULL: Final = 0.9
_PACKAGES: Final = ("dramatiq", "redis", "httpx", "polars", "pydantic")

_Look = Callable[[Producer], Iterator[Finding]]


def inspect(producer: Producer) -> Iterator[Finding]:
    """Look at everything, and go on where something fails."""
    try:
        where = producer.settings.redis_shown
    except SegmentExportError as error:
        yield fail(str(error))
        return
    try:
        producer.client.ping()
    except redis.RedisError as error:
        yield fail(explain(error, where))
        yield from _guarded(producer, _store, where)
    else:
        for look in (_redis, _store, _keys, _workers, _clocks, _events, _stream, _dead_letters):
            yield from _guarded(producer, look, where)
    yield _versions()


def _guarded(producer: Producer, look: _Look, where: str) -> Iterator[Finding]:
    try:
        yield from look(producer)
    except (SegmentExportError, redis.RedisError) as error:
        yield fail(explain(error, where))


def _redis(producer: Producer) -> Iterator[Finding]:
    facts: dict[str, Any] = producer.client.info()
    name = "Valkey" if "valkey_version" in facts else "Redis"
    release = str(facts.get("valkey_version", facts.get("redis_version", "")))
    yield ok(f"{name} {release} answers at {producer.settings.redis_shown}.")
    if int(str(facts.get("redis_version", _OLDEST)).partition(".")[0]) < _OLDEST:
        yield fail(f"{name} {release} is too old: update it to {_OLDEST}.0 or later.")
    if facts.get("role") in {"slave", "replica"}:
        yield fail(f"{name} is a read-only replica: set REDIS_URL to the primary.")
    yield from _durability(producer, facts)
    yield from _memory(facts)


def _durability(producer: Producer, facts: dict[str, Any]) -> Iterator[Finding]:
    warnings = server_warnings(producer.client)
    yield ok("It never evicts keys (maxmemory-policy noeviction).")
    yield from map(warn, warnings)
    if facts.get("aof_last_write_status", "ok") != "ok":
        yield fail("It could not write its append-only file: make room on its disk.")
    elif not warnings:
        yield ok("It keeps what it holds over a restart (appendonly yes).")


def _memory(facts: dict[str, Any]) -> Iterator[Finding]:
    most, used = int(facts.get("maxmemory", 0)), int(facts.get("used_memory", 0))
    if most and used > _FULL * most:
        yield warn(f"Its memory is {used * 100 // most} % full: raise maxmemory before runs have to wait.")


def _store(producer: Producer) -> Iterator[Finding]:
    objects = producer.objects
    folder, probe = f"doctor-{secrets.token_hex(8)}", secrets.token_bytes(32)
    try:
        objects.put(f"{folder}/probe", probe)
        whole = objects.get(f"{folder}/probe") == probe
    finally:
        objects.delete_prefix(folder)
    if whole:
        yield ok(f"The store at {objects.where} takes, gives and deletes objects.")
    else:
        yield fail(f"The store at {objects.where} gives back something else than it took: check the disk.")


def _keys(producer: Producer) -> Iterator[Finding]:
    connections = producer.catalog.connections()
    encrypted = [each.name for each in connections if each.api_key.startswith(credentials.ENCRYPTED)]
    # asking for the keyring would make a key file, perhaps in a folder where nobody looks for it
    if producer.settings.secret_keys is None and not KEY_FILE.exists():
        yield _no_key(len(encrypted))
        return
    reasons = {each.name: _unresolved(producer, each) for each in connections}
    yield _key(producer, [name for name in encrypted if reasons[name]], len(encrypted))
    for name, reason in reasons.items():
        if reason and name not in encrypted:
            yield warn(f"The API key of connection {name} is not known here ({reason}); the workers need it.")


def _no_key(encrypted: int) -> Finding:
    place = KEY_FILE.absolute()
    if encrypted:
        return fail(
            f"{counted(encrypted, 'stored API key')} can't be opened, as there is no key file {place}: "
            f"run this where it is, or set {VARIABLE}."
        )
    return ok(f"No key has been needed so far; the first use makes {place}.")


def _key(producer: Producer, closed: Sequence[str], encrypted: int) -> Finding:
    source = f"the key file {KEY_FILE.absolute()}" if producer.settings.secret_keys is None else VARIABLE
    if closed:
        return fail(
            f"The key of {source} does not open the stored API key of {', '.join(closed)}: "
            "add the key that encrypted it, or apply the connection with its API key again."
        )
    stored = f" and opens {counted(encrypted, 'stored API key')}" if encrypted else ""
    return ok(f"The key of {source} is usable{stored}.")


def _unresolved(producer: Producer, connection: Connection) -> str:
    try:
        credentials.look_up(connection.api_key, connection.name, producer.keyring, environ())
    except credentials.Unresolved as fault:
        return fault.reason
    return ""


def _workers(producer: Producer) -> Iterator[Finding]:
    alive = producer.presence.alive()
    if not alive:
        yield fail(NO_WORKERS)
        return
    processes = "1 worker process is" if alive == 1 else f"{alive} worker processes are"
    yield ok(f"{processes} alive, {counted(len(producer.runs.active()), 'run')} active.")


def _events(producer: Producer) -> Iterator[Finding]:
    if producer.settings.unsigned_events:
        yield warn(
            "Events over HTTP need no signature (SEGMENT_EXPORT_UNSIGNED_EVENTS): "
            "let nobody reach the port who may not start exports."
        )
    elif producer.settings.webhook_secrets is None:
        yield ok("Events over HTTP are refused, as SEGMENT_EXPORT_WEBHOOK_SECRETS is not set.")


def _stream(producer: Producer) -> Iterator[Finding]:
    stream, name = producer.stream, producer.settings.stream
    if stream is None:
        return
    waiting = counted(stream.waiting(), "event")
    if stream.is_read():
        yield ok(f"Events are read from the stream {name}, {waiting} left in it.")
    else:
        yield fail(f"Nobody reads the stream {name}, {waiting} left in it: start the process clock.")
    if refused := stream.refused():
        yield warn(
            f"{counted(refused, 'event')} of the stream {name} could not be used: "
            "`redis-cli XREVRANGE se:events:refused + -` says why."
        )


def _clocks(producer: Producer) -> Iterator[Finding]:
    alive, catalog = producer.clocks.alive(), producer.catalog.everything()
    needed = catalog.notifications or any(
        is_schedule(export.run) or export.expect_refresh for export in catalog.exports.values()
    )
    if alive:
        yield ok("1 clock process is alive." if alive == 1 else f"{alive} clock processes are alive.")
    elif needed:
        yield fail(
            "No clock is running, so no schedule fires and nobody is notified: start `segment-export clock`."
        )
    if lost := producer.outbox.undelivered():
        channels = ", ".join(sorted({each.channel for each in lost}))
        yield warn(
            f"{counted(len(lost), 'notification')} could not be delivered ({channels}): "
            "see `segment-export get notifications` for why, and try with `segment-export notify`."
        )


def _dead_letters(producer: Producer) -> Iterator[Finding]:
    dead = dead_letters(producer.client)
    if dead:
        yield warn(
            f"{counted(dead, 'message')} failed in the last seven days, which is a bug of segment-export: "
            "look for level error in the workers' logs and report it; the runs went on by themselves."
        )


def _versions() -> Finding:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return ok(f"segment-export {version('segment-export')}, Python {platform.python_version()}, {packages}.")
