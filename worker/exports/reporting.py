"""Report lines of members of a chunk: which profile it was, and why it did not arrive."""

from collections.abc import Iterable, Sequence
from typing import Final

from worker.exports.chunks import StagedChunk
from worker.exports.outcomes import Outcome, ReportLine
from worker.exports.uploading import Refusal, addresses_of

LEFT_MEANWHILE: Final = "left_meanwhile"
"""The word for people whose call was taken and whose answer shows that they are out."""
_LEFT_SENTENCE: Final = "This person left the audience while the run was under way, and was left alone."


def lines_of_refusals(
    chunk: StagedChunk, segments: Sequence[str], refused: Iterable[tuple[int, Refusal]]
) -> list[ReportLine]:
    """Lines of members that Mailchimp refused; each comes with its position in the staged body."""
    return [
        ReportLine(
            *_origin(chunk, segments, at),
            refusal.email,
            Outcome.REJECTED,
            refusal.code,
            refusal.field,
            refusal.message,
        )
        for at, refusal in refused
    ]


def lines_of_suppressed(
    chunk: StagedChunk, segments: Sequence[str], suppressed: Iterable[tuple[int, Refusal | None]]
) -> list[ReportLine]:
    """Lines of members who turned out to have said no, bounced or been archived, by their positions."""
    found = list(suppressed)
    addresses = addresses_of(chunk.body) if found else []
    return [
        ReportLine(
            *_origin(chunk, segments, at),
            addresses[at],
            Outcome.SUPPRESSED,
            "compliance" if refusal else LEFT_MEANWHILE,
            "",
            refusal.message if refusal else _LEFT_SENTENCE,
        )
        for at, refusal in found
    ]


def lines_of_failures(
    chunk: StagedChunk, segments: Sequence[str], positions: Iterable[int], *, code: str, message: str
) -> list[ReportLine]:
    """Lines of members that could not be delivered, by their positions in the staged body."""
    addresses = addresses_of(chunk.body)
    return [
        ReportLine(*_origin(chunk, segments, at), addresses[at], Outcome.FAILED, code, "", message)
        for at in positions
    ]


def _origin(chunk: StagedChunk, segments: Sequence[str], at: int) -> tuple[str, int]:
    row = int.from_bytes(chunk.rows[4 * at : 4 * at + 4], "little")
    return segments[chunk.segments[at]], row
