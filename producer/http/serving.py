"""The web process: uvicorn with the application, until a signal ends it."""

import socket
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from producer.application import Producer
from producer.http.app import create_app
from producer.http.progress import Streams
from producer.http.protocol import PatientProtocol
from worker.errors import TellOperator
from worker.logs import configure

_LARGEST_HEAD: Final = 16 * 1024
_BACKLOG: Final = 1024
_LAST_ANSWERS_S: Final = 30

log = structlog.get_logger()


class Server(uvicorn.Server):
    """Ends the streams as soon as it is asked to end: nothing else would end them."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self._streams.closing = True
        super().handle_exit(sig, frame)


def serve(producer: Producer) -> None:
    """Answers requests until SIGTERM or SIGINT, then ends those that are open.

    Raises:
        TellOperator: the settings or keys are unusable, or the port is taken.
    """
    settings = producer.settings
    configure(settings.log_format)
    # what is missing is told now, and not to the first caller
    _ = producer.keyring, producer.doorbell
    app = create_app(producer)
    listening = _listen(settings.host, settings.port)
    log.info("http.listening", host=settings.host, port=settings.port)
    server_of(app).run([listening])


def server_of(app: FastAPI) -> Server:
    """A server of the application that says nothing of itself, and reads no variables."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips="127.0.0.1",
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
    return Server(config, app.state.streams)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TellOperator(
            f"Nothing can listen at {host}, port {port} ({reason}): set SEGMENT_EXPORT_HOST and PORT."
        ) from None
