"""The segment-export command: finds what is asked for, and says in a sentence why it can't be done."""

import errno
from importlib import import_module
from typing import Any, Final

import click

from producer.application import Producer
from producer.remote.door import door_of
from producer.remote.elsewhere import Elsewhere
from worker.settings import environ

# said here and not by the commands, so that help loads none of them
_COMMANDS: Final = {
    "apply": ("producer.commands.apply", "Declare connections, segments and exports."),
    "get": ("producer.commands.get", "List connections, segments, exports, notifications or runs."),
    "check": ("producer.commands.connections", "Try a connection and the exports over it."),
    "run": ("producer.commands.start", "Run an export now, or all of them."),
    "refresh": ("producer.commands.start", "Say that a refresh has finished."),
    "status": ("producer.commands.follow", "Show how a run stands."),
    "watch": ("producer.commands.follow", "Follow a run until it ends."),
    "approve": ("producer.commands.follow", "Let a held run go on."),
    "cancel": ("producer.commands.follow", "Stop a run."),
    "retry": ("producer.commands.retry", "Send the failed and rejected profiles of a run again."),
    "rejected": ("producer.commands.rejected", "Write who was left out of a run, and why."),
    "quarantine": ("producer.commands.quarantine", "Show or empty the quarantine of an export."),
    "connection": ("producer.commands.connection", "Add, edit, share, authorize or remove connections."),
    "segment": ("producer.commands.segment", "Add, edit or remove segments."),
    "export": ("producer.commands.export", "Add, edit, schedule or remove exports."),
    "token": ("producer.commands.token", "Make, list or revoke tokens for the HTTP API."),
    "audit": ("producer.commands.audit", "List who changed what, and when."),
    "forget": ("producer.commands.forget", "Take a person out of everything that is stored."),
    "pause": ("producer.commands.connections", "Let no call begin on a connection."),
    "resume": ("producer.commands.connections", "Let calls begin again."),
    "serve": ("producer.commands.serve", "Answer HTTP requests."),
    "webhook-secret": ("producer.commands.webhook_secret", "Make a secret for signing events."),
    "clock": ("producer.commands.clock", "Fire schedules and send notifications, as a process of its own."),
    "notify": ("producer.commands.notify", "Send a test to a notification channel."),
    "keys": ("producer.commands.keys", "Change the keys that encrypt everything at rest."),
    "doctor": ("producer.commands.doctor", "Check this installation, and say what to mend."),
}
_INTERRUPTED: Final = 130


class Commands(click.Group):
    """Loads a command when it is asked for, and turns what it raises into a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they are first needed."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, or None for another word."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """A line for each command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None
        except Exception as error:
            if ctx.params["debug"] or _reader_is_gone(error):
                raise
            click.echo(_sentence(error, ctx), err=True)
            raise click.exceptions.Exit(1) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="segment-export", prog_name="segment-export", message="%(prog)s %(version)s"
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:  # noqa: ARG001 - read where errors are
    """Export customer segments to Mailchimp audiences."""
    if ctx.obj is None:
        ctx.obj = _installation(ctx)


def main() -> None:
    """The console script."""
    cli(prog_name="segment-export")


def _installation(ctx: click.Context) -> Producer:
    """The installation of this machine or, if the environment names its door, one elsewhere."""
    door = door_of(environ())
    if door is None:
        return Producer()
    elsewhere = Elsewhere(door)
    ctx.call_on_close(elsewhere.close)
    return elsewhere


def _reader_is_gone(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _sentence(error: Exception, ctx: click.Context) -> str:
    from producer.faults import explain  # noqa: PLC0415 (only for whoever meets one)
    from worker.errors import SegmentExportError  # noqa: PLC0415

    try:
        where = ctx.ensure_object(Producer).settings.redis_shown
    except SegmentExportError:
        where = "REDIS_URL"
    return explain(error, where)
