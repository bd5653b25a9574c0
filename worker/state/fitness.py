"""Whether a Redis server can be trusted with the ledger."""

import redis
import structlog

from worker.errors import TellOperator

log = structlog.get_logger()


def check_server(client: "redis.Redis") -> None:
    """Refuses a server that may throw the ledger away; warns of one that forgets at a restart.

    Raises:
        TellOperator: it evicts keys when its memory is full, or can't be reached.
    """
    for warning in server_warnings(client):
        log.warning("redis.unfit", hint=warning)


def server_warnings(client: "redis.Redis") -> list[str]:
    """What should be mended about a server that can be used.

    Raises:
        TellOperator: it can't be used.
    """
    try:
        memory, persistence = client.info("memory"), client.info("persistence")
    except redis.RedisError as error:
        raise TellOperator(
            f"Redis can't be used ({type(error).__name__}): start it, or correct REDIS_URL."
        ) from None
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise TellOperator(
            f"Redis evicts keys when its memory is full (maxmemory-policy {policy}), which loses runs: "
            "set maxmemory-policy to noeviction."
        )
    if not persistence.get("aof_enabled"):
        return ["Redis forgets everything at a restart: set appendonly to yes."]
    return []
