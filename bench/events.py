"""How fast one web process takes events, and what is lost when it is killed: `python -m bench.events`."""

import argparse
import base64
import itertools
import json
import secrets
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
from standardwebhooks import Webhook

from bench.measuring import await_workers, check, machine, say, say_table
from producer.cloudevents import TYPE
from producer.incoming import SINGLE
from tests.catalogs import two_segments
from tests.profiles import segments
from tests.system import System, Web, wait_until

RATE: Final = 50
KILL_EVERY: Final = 2.0
SECRET: Final = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
NAMES: Final = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What an event was answered, and how long that took; status 0 is no answer."""

    status: int
    seconds: float
    runs: tuple[str, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.events", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each of the two parts")
    options = parser.parse_args()
    say(f"{RATE} events a second, one web process, {options.seconds:g} s; {machine()}\n")
    with System(processes=1, settings={"SEGMENT_EXPORT_WEBHOOK_SECRETS": SECRET}) as system:
        await_workers(system, 1)
        segments(100).write(system.data / "r")
        system.apply(two_segments(system.data).replace("{refresh_id}", "r"))
        web = system.start_web()
        calm = list(send(web.url, options.seconds))
        tell("in peace", calm)
        check(all(answer.status == 202 for answer in calm), "every event was taken")
        rough = under_kills(system, web, options.seconds)
        tell(f"killed every {KILL_EVERY:g} s", rough)
        lost = not_run(system, [*calm, *rough])
        say(f"\nRuns of events answered with 2xx that did not come to an end: {lost}.")
        check(not lost, "what was answered with 2xx ran")


def send(url: str, seconds: float) -> Iterator[Answer]:
    """Sends events at the rate, however slowly they are answered."""
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=10) as client, ThreadPoolExecutor(64) as pool:
        pending = []
        for number in range(int(seconds * RATE)):
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
            pending.append(pool.submit(post, client))
        yield from (answer.result() for answer in pending)


def post(client: httpx.Client) -> Answer:
    """Sends one event with an id and a refresh of its own, signed."""
    name, now = f"{next(NAMES)}", datetime.now(UTC)
    data = {"refresh_id": f"r{name}", "segments": ["churn-risk"]}
    body = json.dumps({"specversion": "1.0", "type": TYPE, "source": "/bench", "id": name, "data": data})
    headers = {
        "Content-Type": SINGLE,
        "Webhook-Id": name,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign(name, now, body),
    }
    began = time.perf_counter()
    try:
        answer = client.post("/v1/events", content=body, headers=headers)
    except httpx.TransportError:
        return Answer(0, time.perf_counter() - began)
    took = time.perf_counter() - began
    runs = answer.json()["runs"] if answer.is_success else ()
    return Answer(answer.status_code, took, tuple(run["run_id"] for run in runs))


def under_kills(system: System, web: Web, seconds: float) -> list[Answer]:
    """Sends events while the web process is killed and started again at the same port."""
    port, over = int(web.url.rpartition(":")[2]), threading.Event()

    def torment(web: Web) -> None:
        while not over.wait(KILL_EVERY):
            system.kill_web(web)
            web = system.start_web(port)

    killer = threading.Thread(target=torment, args=(web,))
    killer.start()
    answers = list(send(web.url, seconds))
    over.set()
    killer.join()
    return answers


def not_run(system: System, answers: list[Answer]) -> int:
    """How many runs that an answer of 2xx named have not come to an end."""
    named = {run_id for answer in answers for run_id in answer.runs}
    wait_until(lambda: not system.runs.active(), "all runs have ended", timeout=300)
    return sum(not system.runs.document(run_id).ended for run_id in named)


def tell(how: str, answers: list[Answer]) -> None:
    """A table of what was answered, and how fast."""
    taken = [answer.seconds * 1000 for answer in answers if 200 <= answer.status < 300]
    percentiles = statistics.quantiles(taken, n=100)
    say_table(
        (how, ""),
        [
            ("events sent", f"{len(answers):,}"),
            ("answered with 2xx", f"{len(taken):,}"),
            ("not answered", f"{sum(answer.status == 0 for answer in answers):,}"),
            ("median", f"{statistics.median(taken):.1f} ms"),
            ("p99", f"{percentiles[98]:.1f} ms"),
        ],
    )


if __name__ == "__main__":
    main()
