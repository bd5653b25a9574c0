"""clock: schedules, notifications, and events from a Redis stream."""

import signal

import click

from producer.application import Producer


@click.command()
@click.pass_obj
def clock(producer: Producer) -> None:
    """Fire schedules and send notifications, until SIGTERM or Ctrl-C; on several machines if you like.

    Where SEGMENT_EXPORT_STREAM is set, events are read from that stream too.
    """
    from producer.clock import run  # noqa: PLC0415 (slow, and help needs none of it)
    from worker.logs import configure  # noqa: PLC0415 (as above)

    configure(producer.settings.log_format)
    # not by a handler, which would run in the middle of anything; threads inherit that these are blocked
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    run(producer, lambda: signal.sigwait(ends))
