"""An installation for tests of the clock: its environment, its exports, its real processes."""

import base64
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from producer.application import Producer
from tests.system import BIN, ROOT
from worker.exports.definitions import Connection, Consent, Export, Segment


def environment_of(redis_url: str, folder: Path) -> dict[str, str]:
    """What every process of it has in its environment."""
    return {
        "PATH": os.environ["PATH"],
        "REDIS_URL": redis_url,
        "SEGMENT_EXPORT_STORE_URL": (folder / "store").as_uri(),
        "SEGMENT_EXPORT_SECRET_KEYS": base64.b64encode(bytes(range(32))).decode(),
        "SEGMENT_EXPORT_LOG_FORMAT": "json",
    }


def export(name: str = "weekly", **keys: object) -> Export:
    return Export.model_validate(
        {
            "name": name,
            "connection": "newsletter",
            "audience_id": "a1b2c3d4e5",
            "segments": ("loyal",),
            "email": "email",
            **keys,
        }
    )


def declare(producer: Producer, *exports: Export) -> None:
    """Saves exports, and what they name."""
    consent = Consent(agreed_by="dana@example.com", agreed_on=date(2026, 11, 23))
    connection = Connection(name="newsletter", type="mailchimp", api_key="env:MC_KEY", consent=consent)
    producer.catalog.save([connection], [Segment(name="loyal", source="loyal.csv")], exports)


def python(code: str, environment: dict[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    """A real process of a few lines."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def command(environment: dict[str, str], *arguments: str, cwd: Path = ROOT) -> "subprocess.Popen[bytes]":
    """A real `segment-export`."""
    return subprocess.Popen(
        [BIN / "segment-export", *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
