"""Every failure of ours, named by its fate: retry later, refuse, stop the run, tell the operator.

The text of each is one sentence for a person: what is wrong, where, what to do. It never holds an
address, a name or a credential, because texts end in logs and run documents.
"""


class SegmentExportError(Exception):
    """The root of all failures that this project raises on purpose."""


class RetryLater(SegmentExportError):
    """A transient fault: the same call may be made again, with the same effect.

    `may_be_open` says that the far side may still be working on the call, so that its slot must
    not be given away yet.
    """

    def __init__(self, sentence: str, *, may_be_open: bool = False) -> None:
        super().__init__(sentence)
        self.may_be_open = may_be_open


class Throttled(RetryLater):
    """The far side has enough of us: fewer calls at once. Waiting spends no attempt."""


class Unavailable(RetryLater):
    """The far side, or the way to it, is down or answers nonsense."""


class ChunkRefused(SegmentExportError):
    """The whole call was refused because of something in it; smaller calls find out what."""

    def __init__(self, sentence: str, *, code: str = "", field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


class StopRun(SegmentExportError):
    """This run can't go on; its sentence becomes the run's `error`."""


class TellOperator(SegmentExportError):
    """The installation is not fit to work (a key, the store, Redis); nothing about the run is wrong."""


class UsageError(SegmentExportError):
    """A person asked for something that can't be: an unknown name, a state that forbids it."""


class NotThere(UsageError):
    """What a person names is not there (any more)."""


class Conflicts(UsageError):
    """What a person asks for can't be as things stand: a state or another thing is in its way."""
