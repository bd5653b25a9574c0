"""Sends a notice by the channel's own way, with its secrets looked up where they are used."""

from collections.abc import Mapping
from datetime import datetime

from producer.notifications.faults import NotSent
from producer.notifications.notices import Notice
from worker import credentials
from worker.exports.channels import Email, Notification, Slack, Webhook, context
from worker.keyring import Keyring


class Sender:
    """Tells channels."""

    def __init__(self, keyring: Keyring, environ: Mapping[str, str]) -> None:
        self._keyring = keyring
        self._environ = environ

    def send(self, channel: Notification, notice: Notice, now: datetime) -> None:
        """Sends a notice; `now` is what its signature says.

        Raises:
            NotSent: it did not arrive.
        """
        # httpx and ssl are loaded by whoever sends, and not by whoever lists
        from producer.notifications import mail, slack, webhook  # noqa: PLC0415

        match channel:
            case Webhook():
                url, secret = self._secret(channel, "url"), self._secret(channel, "secret")
                webhook.send(url, secret, notice, now)
            case Slack():
                slack.send(self._secret(channel, "url"), notice)
            case Email():
                password = self._secret(channel, "password") if channel.password else ""
                mail.send(channel, password, notice)

    def _secret(self, channel: Notification, field: str) -> str:
        place = context(channel.name, field)
        try:
            return credentials.look_up_for(place, getattr(channel, field), self._keyring, self._environ)
        except credentials.Unresolved as fault:
            raise NotSent(f"its {field} is not set: {fault.reason}") from None
