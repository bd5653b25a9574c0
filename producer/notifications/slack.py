"""A message in the form of Slack's incoming webhooks."""

import json

from producer.notifications.notices import Notice
from producer.notifications.posting import post


def send(url: str, notice: Notice) -> None:
    """Sends a notice.

    Raises:
        NotSent: it did not arrive.
    """
    text = "\n".join([f"*{_plain(notice.headline)}*", *map(_plain, notice.lines)])
    post(url, json.dumps({"text": text}).encode(), {})


def _plain(text: str) -> str:
    """Text that mentions nobody and links to nothing by itself."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
