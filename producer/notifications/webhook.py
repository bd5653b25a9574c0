"""Signed JSON to an HTTP address, as Standard Webhooks has it."""

import base64
import binascii
import json
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

from producer.notifications.faults import NotSent
from producer.notifications.notices import Notice
from producer.notifications.posting import post

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24


def send(url: str, secret: str, notice: Notice, now: datetime) -> None:
    """Sends a notice.

    Raises:
        NotSent: it did not arrive, or the secret can't sign.
    """
    body = json.dumps(notice.document())
    signature = Webhook(_key(secret)).sign(notice.id, now, body)
    headers = {
        "webhook-id": notice.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    post(url, body.encode(), headers)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _SHORTEST:
        raise NotSent(f"its secret is not {_SHORTEST} bytes or more in base64")
    return key
