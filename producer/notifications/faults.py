"""Why a notification did not arrive."""

from worker.errors import SegmentExportError


class NotSent(SegmentExportError):
    """A channel was not told; the text is the reason as a clause, without secrets or a server's words."""
