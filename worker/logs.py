"""Structured logs: one event a line, what it belongs to bound to it, nobody's data in it."""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Final, Literal

import structlog
from dramatiq import MessageProxy
from dramatiq.broker import Broker
from dramatiq.middleware import Middleware
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.errors import SegmentExportError

_NOISY: Final = ("httpx", "httpcore", "asyncio")


def configure(style: Literal["console", "json"], level: int = logging.INFO) -> None:
    """Sends every log line of this process, ours and the libraries', to standard error.

    So does an exception that ends a thread or the process: Python itself would print its text.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=()), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _process_died
    threading.excepthook = _thread_died


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces an exception by its type and the places it came through.

    The text of an exception that is not ours may hold anything, somebody's address included.
    """
    found = event.pop("exc_info", None)
    error = _exception(found)
    if error is None:
        return event
    event["exception"] = type(error).__name__
    event["at"] = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    if isinstance(error, SegmentExportError):
        event["reason"] = str(error)
    return event


def _exception(found: Any) -> BaseException | None:
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple):
        return found[1] if isinstance(found[1], BaseException) else None
    return sys.exc_info()[1] if found else None


def _process_died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    structlog.get_logger(__name__).critical("process.died", exc_info=(kind, error, trace))


def _thread_died(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else ""
    structlog.get_logger(__name__).critical("thread.died", thread=name, exc_info=died.exc_value)


def _renderer(style: Literal["console", "json"]) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


class LogContext(Middleware):
    """Binds the run of the message that a thread works on, and clears it afterwards."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Binds the message's references."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(actor=message.actor_name, run=message.kwargs.get("run"))

    def after_process_message(self, broker: Broker, message: MessageProxy, **_: Any) -> None:  # noqa: ARG002
        """Forgets them."""
        structlog.contextvars.clear_contextvars()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Forgets them."""
        structlog.contextvars.clear_contextvars()
