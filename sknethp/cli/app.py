"""The command line: arguments in, exit code out.

A subcommand is a module with HELP, DESCRIPTION, ``add_arguments(add)`` and ``run(arguments)``,
listed in `_COMMANDS`. It imports what it needs inside ``run``, so that ``--help`` is quick.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from types import ModuleType
from typing import NoReturn

from sknethp.cli import compare, predict, report, signals, tune
from sknethp.cli.errors import CommandError

_COMMANDS: dict[str, ModuleType] = {
    "tune": tune,
    "compare": compare,
    "predict": predict,
    "report": report,
}
_EXIT_ERROR = 2
_OF_REPORTS = ("altair", "jinja2", "vl_convert")


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
    """Run the command; return 0, 2 after an error, or 128 plus its number after a signal."""
    arguments = build_parser().parse_args(argv)
    try:
        with signals.as_exits("SIGTERM", "SIGHUP"):
            _COMMANDS[arguments.command].run(arguments)
    except ImportError as error:
        if (error.name or "").startswith("sknethp"):
            raise
        extra = "report" if error.name in _OF_REPORTS else "tables"
        return _fail(f"{error}; pip install 'sknethp[{extra}]'")
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except MemoryError:
        return _fail("there is not enough memory; take a sample of the rows or fewer columns")
    except KeyboardInterrupt:
        return _fail("interrupted, nothing was written", signals.EXIT_SIGNAL + signal.SIGINT)
    return 0


def _fail(message: str, exit_code: int = _EXIT_ERROR) -> int:
    """Print a message, unless the terminal is gone."""
    with suppress(OSError):
        print(f"sknethp: error: {message}", file=sys.stderr, flush=True)
    return exit_code
