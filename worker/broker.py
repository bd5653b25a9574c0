"""The Redis broker, its one list of middleware, and how bells become messages."""

from collections.abc import Iterable
from typing import Any, Final

import redis
from dramatiq import Message, MessageProxy
from dramatiq.broker import Broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from worker import messages
from worker.state.client import connect
from worker.state.patience import AWAY
from worker.state.scripts import Bell

NAMESPACE: Final = "segment-export-queue"

_IDLE_POLL_MS: Final = 100
_HEARTBEAT_TIMEOUT_MS: Final = 15_000
_ALWAYS: Final = 1_000_000

_ACTORS: Final = {
    "plan": messages.EXPORT_SEGMENT,
    "upload": messages.UPLOAD_CHUNK,
    "finish": messages.FINISH_RUN,
}


def make_broker(redis_url: str, middleware: Iterable[Middleware] = ()) -> RedisBroker:
    """A broker in a namespace of its own, whose few keys keep its maintenance cheap.

    None of Dramatiq's own middleware: retries and deadlines live in the ledger, and interrupts thrown into
    threads (time limits, shutdown notices) have been seen to lock HTTP clients for ever.
    """
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq has no types here
        client=connect(redis_url, text=False),
        namespace=NAMESPACE,
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_ALWAYS,
        middleware=list(middleware),
    )


class WorkerTuning(Middleware):
    """How a worker process fetches: a short idle poll, and no more messages than it has threads."""

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Sets what the worker's own command line has no words for."""
        worker.worker_timeout = _IDLE_POLL_MS
        worker.queue_prefetch = worker.worker_threads
        worker.delay_prefetch = 1


class DeadLetters(Middleware):
    """Keeps messages whose actor failed, in the broker's dead letters: each is a bug of ours, and an alarm.

    Retries are the ledger's business: its leases lapse, and the sweeper rings again. So it is no bug that the
    ledger was away for longer than its client is patient.
    """

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        """Fails a message whose actor raised a bug: Dramatiq acknowledges it otherwise."""
        if exception is not None and not isinstance(exception, AWAY):
            message.fail()


def dead_letters(client: "redis.Redis") -> int:
    """How many messages have failed in the last seven days."""
    return int(client.zcard(f"{NAMESPACE}:{messages.QUEUE}.XQ"))


class Doorbell:
    """Turns bells into messages of the queue. Losing one costs time, never correctness."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    def ring(self, bells: Iterable[Bell]) -> None:
        """Sends a message for each bell."""
        for bell in bells:
            self._broker.enqueue(_message(bell))

    def backlog(self) -> int:
        """How many messages wait that no worker has fetched."""
        return int(self._broker.client.llen(f"{NAMESPACE}:{messages.QUEUE}"))

    def heartbeat(self) -> None:
        """Shows other workers that this process lives, however busy it is: any command of the broker does."""
        self._broker.do_qsize(messages.QUEUE)


def _message(bell: Bell) -> "Message[None]":
    body: dict[str, Any] = {"v": messages.VERSION, "run": bell.run_id}
    if bell.kind == "upload":
        body |= {"chunk": bell.chunk, "lease": bell.token}
    return Message(queue_name=messages.QUEUE, actor_name=_ACTORS[bell.kind], args=(), kwargs=body, options={})
