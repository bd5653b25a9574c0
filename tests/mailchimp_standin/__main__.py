"""Start a stand-in by hand: `python -m tests.mailchimp_standin --port 8099 --latency 0.3`."""

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
from typing import get_args

from .accounts import LIMIT
from .audience import Dialect
from .operations import Operations
from .server import HOST, new_world, serve
from .world import API_KEY, LIST_ID, Answers, World


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mailchimp_standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one (default 8099)")
    parser.add_argument(
        "--latency", type=float, nargs="+", default=[0.0], metavar="SECONDS", help="of a call, or two: a span"
    )
    parser.add_argument("--answers", choices=get_args(Answers), default="full", help="members in answers")
    parser.add_argument("--dialect", choices=get_args(Dialect), default="newest", help="of batch upserts")
    parser.add_argument("--limit", type=int, default=LIMIT, help="of simultaneous connections")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--audience", default=LIST_ID)
    parser.add_argument("--seed", type=int, default=0, help="of a span of latencies")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent process")
    return parser.parse_args(arguments)


def world_of(chosen: argparse.Namespace) -> World:
    latency = tuple(chosen.latency[:2]) if len(chosen.latency) > 1 else chosen.latency[0]
    world = new_world(latency=latency, answers=chosen.answers, seed=chosen.seed)
    operations = Operations(world)
    operations.add_account(chosen.api_key)
    operations.configure_account(chosen.api_key, limit=chosen.limit)
    operations.add_audience(chosen.audience, chosen.api_key)
    operations.configure_audience(chosen.audience, dialect=chosen.dialect)
    return world


async def main(chosen: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if chosen.until_stdin_closes:
        threading.Thread(target=_watch, args=(loop, stop), daemon=True).start()

    def ready(port: int) -> None:
        told = {"url": f"http://{HOST}:{port}", "api_key": chosen.api_key, "audience": chosen.audience}
        print(json.dumps(told), flush=True)

    await serve(world_of(chosen), chosen.port, ready, stop)


def _watch(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    # a million members are no garbage: look at them rarely
    gc.set_threshold(50_000, 50, 1_000)
    asyncio.run(main(options()))
