"""E-mail by a mail server, encrypted unless the operator says otherwise, with a deadline for all of it."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from threading import Timer
from typing import Final

from producer.notifications.faults import NotSent
from producer.notifications.notices import Notice
from worker.exports.channels import Email

DEADLINE: Final = timedelta(seconds=30)

_OPERATION: Final = 10.0  # seconds


def send(channel: Email, password: str, notice: Notice, deadline: timedelta = DEADLINE) -> None:
    """Sends a notice.

    Raises:
        NotSent: the mail server did not take it.
    """
    try:
        with _session(channel, deadline) as session:
            if channel.user is not None and password:
                session.login(channel.user, password)
            session.send_message(message_of(channel, notice))
    except smtplib.SMTPAuthenticationError:
        raise NotSent("its mail server refuses user and password") from None
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"its mail server answered {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotSent("its mail server takes mail for none of the addresses") from None
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise NotSent(f"its mail server can't be used ({type(error).__name__})") from None


def message_of(channel: Email, notice: Notice) -> EmailMessage:
    """The message, whose id is the same each time."""
    message = EmailMessage()
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.to)
    message["Subject"] = (
        f"segment-export: {notice.headline}" if notice.run or notice.export else notice.headline
    )
    message["Date"] = format_datetime(notice.at)
    message["Message-ID"] = f"<{notice.id.replace('@', '.')}@segment-export>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(notice.lines) + "\n")
    return message


@contextmanager
def _session(channel: Email, deadline: timedelta) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    name = socket.gethostname()
    session = (
        smtplib.SMTP_SSL(local_hostname=name, timeout=_OPERATION, context=context)
        if channel.encryption == "tls"
        else smtplib.SMTP(local_hostname=name, timeout=_OPERATION)
    )
    # time-outs are for each operation: a server that drips would hold a thread for ever
    timer = Timer(deadline.total_seconds(), _cut, (session,))
    timer.daemon = True
    timer.start()
    try:
        # it knows the name for certificates by this alone
        session._host = channel.host  # type: ignore[attr-defined]  # noqa: SLF001 - else only its constructor sets it
        session.connect(channel.host, channel.port)
        if channel.encryption == "starttls":
            session.starttls(context=context)
        yield session
        with suppress(OSError, smtplib.SMTPException):
            session.quit()
    finally:
        timer.cancel()
        session.close()


def _cut(session: smtplib.SMTP) -> None:
    with suppress(OSError, AttributeError):
        session.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
