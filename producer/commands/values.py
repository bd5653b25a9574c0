"""KEY=VALUE arguments, as they would stand in a configuration file; and keys that no argument may hold."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from producer.yaml_tree import Malformed, plain, read_tree
from worker.credentials import REFERENCES
from worker.errors import UsageError
from worker.small_files import read_regular

_KEY_LIMIT: Final = 4096

values_argument = click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
key_file_option = click.option(
    "--key-file",
    metavar="FILE",
    help="The file that holds the API key, stored encrypted; - is standard input.",
)


def values_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """The values of KEY=VALUE arguments; nothing behind the sign takes a key back to its default."""
    values = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not key or not sign:
            raise click.UsageError(
                "Give values as KEY=VALUE, such as mode=mirror or segments='[loyal, churn]'."
            )
        if key == "api_key" and text and not text.startswith(REFERENCES):
            raise click.UsageError(
                "An API key on the command line can be read by others of this machine: "
                "give --key-file FILE, or api_key=env:NAME or file:PATH."
            )
        values[key] = _value(key, text)
    return values


def key_of(path: str) -> str:
    """The API key in a file, or on standard input for `-`."""
    if path == "-":
        return sys.stdin.read(_KEY_LIMIT).strip()
    try:
        content, _ = read_regular(Path(path), _KEY_LIMIT)
    except OSError as error:
        raise UsageError(f"The file {path} can't be read ({error.strerror}): name another.") from None
    return content.decode("utf-8", "replace").strip()


def _value(key: str, text: str) -> Any:
    try:
        return plain(read_tree(text)[0])
    except Malformed as fault:
        raise click.UsageError(f"The value of {key} can't be read: {fault.sentence}") from None
