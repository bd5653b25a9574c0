"""The house keeps its shape: arrows point down, one room reads the environment, imports do no work."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.system import BIN, ROOT

_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
_WORK = """
import os, pkgutil, sys, threading
from importlib import import_module

FORBIDDEN = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.system", "os.mkdir",
             "os.remove", "os.rename", "os.truncate", "tempfile.", "signal.")

def watch(event, args):
    if event.startswith(FORBIDDEN):
        done.append(event)
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        done.append(f"open {args[0]} to write")

done = []
threading.Thread.start = lambda thread: done.append("a thread")  # not every Python has an event for it
import worker, producer
sys.addaudithook(watch)
names = [found.name for package in (worker, producer)
         for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    before = len(done)
    import_module(name)
    if done[before:]:
        print(name, *done[before:])
print(len(names), file=sys.stderr)
"""


def test_the_import_contracts_hold(tmp_path: Path) -> None:
    """Far sides never meet, workers never import the producer, exports know no queue and no Redis."""
    linted = subprocess.run(
        [BIN / "lint-imports", "--config", ROOT / "pyproject.toml", "--cache-dir", tmp_path, "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


def test_the_settings_are_the_only_reader_of_the_environment() -> None:
    """Whatever a worker does differently from machine to machine is named in one place."""
    modules = sorted((ROOT / "worker").rglob("*.py"))
    readers = {module.relative_to(ROOT).as_posix() for module in modules if any(_environment_of(module))}
    assert readers == {"worker/settings.py"}


def _environment_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            yield from {node.attr} & _ENVIRONMENT
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from {alias.name for alias in node.names} & _ENVIRONMENT


def test_importing_a_module_does_no_work(tmp_path: Path) -> None:
    """No socket, thread, process or file is made until somebody asks for something."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", _WORK],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "REDIS_URL": "nonsense"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stderr) > 50, "the modules were found"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
