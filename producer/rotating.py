"""Seals everything that is under an older key anew with the first one, so that the older ones can go."""

import base64
import binascii
import json
from collections.abc import Iterator

from producer.application import Producer
from worker import credentials
from worker.credentials import ENCRYPTED
from worker.errors import TellOperator
from worker.exports import channels
from worker.keyring import Keyring
from worker.state.sealed import StoredText, StoredTexts
from worker.store.resealing import ROOMS, STAGED, Tally, reseal, staged

CATALOG = "catalog"


def rotate(producer: Producer) -> Iterator[tuple[str, Tally]]:
    """Seal everything anew that needs it, place by place; doing it again goes on where a killed one was.

    Raises:
        RetryLater: the store can't be reached for the moment.
        TellOperator: the store is unfit.
    """
    yield CATALOG, _catalog(StoredTexts(producer.client), producer.keyring)
    for room in ROOMS:
        yield room, reseal(producer.objects, producer.keyring, room)
    yield STAGED, staged(producer.objects, producer.keyring)


def _catalog(texts: StoredTexts, keyring: Keyring) -> Tally:
    tally = Tally()
    for stored in texts.all():
        now: StoredText | None = stored
        while now is not None:
            text, found = _renewed(now, keyring)
            if text == now.text or texts.swap(now, text):
                tally.current += found.current
                tally.renewed += found.renewed
                tally.closed += found.closed
                break
            now = texts.again(now)
    return tally


def _renewed(stored: StoredText, keyring: Keyring) -> tuple[str, Tally]:
    """A definition with everything in it under the first key, and what that took."""
    fields, tally = json.loads(stored.text), Tally()
    for field, value in fields.items():
        if isinstance(value, str) and value.startswith(ENCRYPTED):
            fields[field] = _reference(value, _place(stored, field), keyring, tally)
    return (
        json.dumps(fields, ensure_ascii=False, separators=(",", ":")) if tally.renewed else stored.text
    ), tally


def _place(stored: StoredText, field: str) -> str:
    return credentials.context(stored.name) if stored.is_connection else channels.context(stored.name, field)


def _reference(reference: str, place: str, keyring: Keyring, tally: Tally) -> str:
    try:
        sealed = base64.b64decode(reference.removeprefix(ENCRYPTED), validate=True)
        if keyring.is_first(sealed):
            tally.current += 1
            return reference
        text = keyring.open(sealed, place).decode()
    except (binascii.Error, ValueError, TellOperator):
        tally.closed += 1
        return reference
    tally.renewed += 1
    return credentials.seal_for(place, text, keyring)
