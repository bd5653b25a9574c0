"""How answers are read: what is not the document it should be is asked for again."""

from typing import TypeVar

import msgspec

from worker.exports.uploading import UNREADABLE
from worker.mailchimp import errors

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """Decode the body of a 200; `what` completes "Mailchimp's answer …".

    Raises:
        Unavailable: when it is no such document.
    """
    try:
        return decoder.decode(body)
    except UNREADABLE:
        raise errors.unreadable(f"{what} is not the JSON it should be") from None
