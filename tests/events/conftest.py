import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from producer.application import Producer
from producer.cloudevents import TYPE
from producer.incoming import SINGLE, Accepted, accept
from tests.producer.conftest import catalog, producer, settings  # noqa: F401 - fixtures of the same names

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
OTHER = f"whsec_{base64.b64encode(bytes(range(100, 124))).decode()}"

Post: TypeAlias = Callable[..., Accepted]


def event(event_id: str = "1", **data: Any) -> dict[str, Any]:
    """An event; its data names the segment churn unless something else is given."""
    return {
        "specversion": "1.0",
        "type": TYPE,
        "source": "/warehouse",
        "id": event_id,
        "data": data or {"refresh_id": f"r{event_id}", "segments": ["churn"]},
    }


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def signed(
    body: bytes,
    *,
    secret: str = SECRET,
    at: datetime = NOW,
    webhook_id: str = "msg_1",
    media: str = SINGLE,
) -> dict[str, str]:
    """The headers of a request as the library of Standard Webhooks signs it."""
    return {
        "Content-Type": media,
        "Webhook-Id": webhook_id,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(webhook_id, at, body.decode(errors="replace")),
    }


@pytest.fixture
def door(catalog: Producer) -> Producer:  # noqa: F811 - the fixture
    """A producer with a catalog and a secret for events."""
    return with_settings(catalog, webhook_secrets=SecretStr(SECRET))


def with_settings(producer: Producer, **changes: Any) -> Producer:  # noqa: F811
    """The same installation under other settings."""
    changed = producer.settings.model_copy(update=changes)
    return Producer(changed, client=producer.client, doorbell=producer.doorbell)


@pytest.fixture
def post(door: Producer) -> Post:
    """Posts a document that is signed as it should be."""

    def send(document: Any, *, media: str = SINGLE, **signing: Any) -> Accepted:
        body = encoded(document)
        return accept(door, signed(body, media=media, **signing), body, NOW)

    return send
