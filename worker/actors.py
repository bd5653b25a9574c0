"""The actors: unwrap a message, call one job, decide what to ring next."""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event

import dramatiq
import structlog
from dramatiq.broker import Broker

from worker import messages
from worker.broker import Doorbell
from worker.jobs.finish import FinishJob
from worker.jobs.plan import PlanJob
from worker.jobs.upload import UploadJob
from worker.state.scripts import Bell


def declare(
    broker: Broker,
    *,
    plan: PlanJob,
    upload: UploadJob,
    finish: FinishJob,
    doorbell: Doorbell,
    run_on: timedelta,
    stopping: Event,
) -> None:
    """Declares the three actors on a broker."""

    def export_segment(*, v: int, run: str) -> None:  # noqa: ARG001 - see docs/operations.md on versions
        plan.run(run)

    def upload_chunk(*, v: int, run: str, chunk: str, lease: str) -> None:  # noqa: ARG001
        until = time.monotonic() + run_on.total_seconds()
        bell: Bell | None = Bell("upload", run, chunk, lease)
        while bell is not None:
            with structlog.contextvars.bound_contextvars(run=bell.run_id, chunk=bell.chunk):
                bells = upload.run(bell)
            stay = time.monotonic() < until and not stopping.is_set() and doorbell.backlog() == 0
            bell = _first_upload(bells) if stay else None
            doorbell.ring(other for other in bells if other is not bell)

    def finish_run(*, v: int, run: str) -> None:  # noqa: ARG001
        finish.run(run)

    _declare(broker, messages.EXPORT_SEGMENT, export_segment)
    _declare(broker, messages.UPLOAD_CHUNK, upload_chunk)
    _declare(broker, messages.FINISH_RUN, finish_run)


def _first_upload(bells: list[Bell]) -> Bell | None:
    """The chunk that this thread goes on with, without a way through the queue."""
    return next((bell for bell in bells if bell.kind == "upload"), None)


def _declare(broker: Broker, name: str, function: Callable[..., None]) -> None:
    dramatiq.actor(actor_name=name, queue_name=messages.QUEUE, broker=broker)(function)
