"""What a run would do, found out in this process: the only producer code that uses a worker's jobs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from producer.application import Producer
from worker.errors import RetryLater
from worker.settings import environ

if TYPE_CHECKING:
    from worker.exports.preview import Preview
    from worker.jobs.accounts import Accounts

# nobody renews the slots of calls made here, so a call ends before its slot would be taken for abandoned
_DEADLINE: Final = timedelta(seconds=15)
_OF_LEASE: Final = 0.75


def preview(producer: Producer, export: str, *, full: bool = False, show: bool = False) -> "Preview":
    """What a run of the export on demand would do; nothing is sent and nothing is kept.

    Raises:
        SegmentExportError: it can't be told, or the run could not be planned either.
    """
    from worker.jobs.accounts import NoSlot  # noqa: PLC0415 (slow, and only a dry run needs it)
    from worker.jobs.comparing import Comparing  # noqa: PLC0415
    from worker.jobs.consent import Consent  # noqa: PLC0415
    from worker.jobs.memory import Memory  # noqa: PLC0415
    from worker.jobs.preview import PreviewJob  # noqa: PLC0415
    from worker.state.audiences import Audiences  # noqa: PLC0415

    accounts = _accounts(producer)
    memory = Memory(objects=producer.objects, sealer=producer.keyring)
    comparing = Comparing(
        runs=producer.runs,
        audiences=Audiences(producer.client),
        accounts=accounts,
        consent=Consent(accounts=accounts, objects=producer.objects, sealer=producer.keyring),
        memory=memory,
    )
    job = PreviewJob(
        catalog=producer.catalog,
        comparing=comparing,
        memory=memory,
        source_roots=producer.settings.source_roots,
    )
    try:
        return job.preview(export, full=full, show=show)
    except NoSlot:
        raise
    except RetryLater as error:
        # that the workers would call again is not true here
        raise RetryLater(f"{str(error).partition(': ')[0]}: try again in a moment.") from None
    finally:
        accounts.close_thread()


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what workers log off the terminal: a command prints its answer, or one sentence.

    It is the whole process that falls silent, so this is for processes that do nothing else.
    """
    import structlog  # noqa: PLC0415

    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _accounts(producer: Producer) -> "Accounts":
    from worker.jobs.accounts import Accounts  # noqa: PLC0415
    from worker.jobs.holding import Holding  # noqa: PLC0415
    from worker.mailchimp.clients import ClientPool  # noqa: PLC0415

    settings = producer.settings
    return Accounts(
        catalog=producer.catalog,
        keyring=producer.keyring,
        environ=environ(),
        clients=ClientPool(
            deadline=min(_DEADLINE, settings.lease * _OF_LEASE), override=settings.mailchimp_url
        ),
        slots=producer.slots,
        holding=Holding(),
        ring=producer.ring,
    )
