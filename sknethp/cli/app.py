"""The command line: arguments in, exit code out.

A subcommand is a module with HELP, DESCRIPTION, ``add_arguments(add)`` and ``run(arguments)``,
listed in `_COMMANDS`. It imports what it needs inside ``run``, so that ``--help`` is quick.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from types import ModuleType
from typing import NoReturn

from sknethp.cli import tune
from sknethp.cli.errors import CommandError

_COMMANDS: dict[str, ModuleType] = {"tune": tune}
_EXIT_ERROR = 2
_EXIT_SIGNAL = 128  # plus the signal's number, as shells have it


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_EXIT_ERROR, f"{self.prog}: error: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser, whose errors are one line on stderr, with exit code 2."""
    parser = _Parser(prog="sknethp", description="Deep nets tuned by scikit-learn searches.")
    parser.add_argument("--version", action="version", version=f"sknethp {version('sknethp')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(subparser.add_argument)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 on success, 2 after an error, 128 plus its number after a signal.
    """
    arguments = build_parser().parse_args(argv)
    try:
        with _signals_as_exits():
            _COMMANDS[arguments.command].run(arguments)
    except ImportError as error:
        if (error.name or "").startswith("sknethp"):
            raise
        return _fail(f"{error}; pip install 'sknethp[tables]'")
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted, nothing was written", _EXIT_SIGNAL + signal.SIGINT)
    return 0


def _fail(message: str, exit_code: int = _EXIT_ERROR) -> int:
    """Print a message, unless the terminal is gone."""
    with suppress(OSError):
        print(f"sknethp: error: {message}", file=sys.stderr, flush=True)
    return exit_code


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, unless ignored, as after ``nohup``."""

    def leave(number: int, _: object) -> NoReturn:
        sys.exit(_EXIT_SIGNAL + number)

    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only the main thread can set handlers
    changed = [n for n in numbers if n is not None and signal.getsignal(n) is signal.SIG_DFL]
    try:
        for number in changed:
            signal.signal(number, leave)
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
