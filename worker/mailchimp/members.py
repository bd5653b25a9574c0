"""Members as Mailchimp's batch call answers for them."""

from typing import Final

import msgspec

from worker.exports.uploading import UNREADABLE, Answer, Refusal
from worker.mailchimp import errors


class _Refused(msgspec.Struct):
    email_address: str | None = None
    error: str | None = None
    error_code: str | None = None
    field: str | None = None
    field_message: str | None = None


class _Batch(msgspec.Struct):
    new_members: list[msgspec.Raw] | None = None
    updated_members: list[msgspec.Raw] | None = None
    errors: list[_Refused] | None = None
    total_created: int | None = None
    total_updated: int | None = None
    error_count: int | None = None


_BATCH: Final = msgspec.json.Decoder(_Batch)


def read_answer(body: bytes) -> Answer:
    """Read what `POST /lists/{list_id}` answered with a 200.

    Raises:
        Unavailable: when it is not such an answer.
    """
    try:
        batch = _BATCH.decode(body)
    except UNREADABLE:
        raise errors.unreadable("to a batch is not the JSON it should be") from None
    if batch.new_members is None and batch.updated_members is None and batch.errors is None:
        raise errors.unreadable("to a batch says nothing of any member")
    return Answer(
        created=batch.new_members or (),
        updated=batch.updated_members or (),
        refusals=[_refusal(refused) for refused in batch.errors or ()],
        total_created=batch.total_created,
        total_updated=batch.total_updated,
        total_refused=batch.error_count,
    )


def _refusal(refused: _Refused) -> Refusal:
    # the error is often one phrase for all fields ("Your merge fields were invalid."), so both are kept
    reasons = dict.fromkeys(text for text in (refused.error, refused.field_message) if text)
    return Refusal(
        email=refused.email_address or "",
        code=refused.error_code or "",
        message=" ".join(reasons),
        field=refused.field or "",
    )
