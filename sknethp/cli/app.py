"""The command line: arguments in, exit code out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from sknethp.cli.errors import CommandError

_EXIT_ERROR = 2
_EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_EXIT_ERROR, f"{self.prog}: error: {message}\n")


def _integer(low: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        return value

    return convert


def _seed(text: str) -> int:
    value = _integer(0)(text)
    if value >= 2**32:
        raise argparse.ArgumentTypeError(f"must be less than 2**32, got {value}")
    return value


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
    return value


def _add_tune(commands: argparse._SubParsersAction) -> None:
    tune = commands.add_parser(
        "tune",
        help="tune a deep net on a data set",
        description="Tune a deep net on a data set by cross-validation, and compare it on a "
        "held-out part with two simple baselines.",
    )
    add = tune.add_argument
    add(
        "data",
        metavar="DATA",
        help="a CSV or Parquet file, or one of iris, wine, breast_cancer, digits",
    )
    add("--target", metavar="NAME", help="the label column of a file (default: target)")
    add(
        "--method",
        choices=["grid", "random", "bayes"],
        default="random",
        help="how candidates are chosen (default: %(default)s)",
    )
    add(
        "--candidates",
        metavar="N",
        type=_integer(1),
        default=20,
        help="how many candidates to try; a grid has at most so many (default: %(default)s)",
    )
    add(
        "--cv",
        metavar="K",
        type=_integer(2),
        default=5,
        help="folds of the cross-validation (default: %(default)s)",
    )
    add(
        "--test-fraction",
        metavar="F",
        type=_fraction,
        default=0.2,
        help="part of the rows held out for the final score (default: %(default)s)",
    )
    add(
        "--seed",
        metavar="S",
        type=_seed,
        default=0,
        help="seed of everything random (default: %(default)s)",
    )
    add(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("sknethp-result"),
        help="folder for the results (default: %(default)s)",
    )
    add(
        "--force",
        action="store_true",
        help="replace the results of an earlier run in DIR",
    )


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        Its errors are one line on stderr, with exit code 2.
    """
    parser = _Parser(prog="sknethp", description="Deep nets tuned by scikit-learn searches.")
    parser.add_argument("--version", action="version", version=f"sknethp {version('sknethp')}")
    _add_tune(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: 0 when all went well, 2 after an error, 130 when interrupted.
    """
    arguments = build_parser().parse_args(argv)
    try:
        # Imported late: it needs what the extra "tables" installs.
        from sknethp.cli.tune import tune

        tune(arguments)
    except ImportError as error:
        if (error.name or "").startswith("sknethp"):
            raise
        print(f"sknethp: error: {error}; pip install 'sknethp[tables]'", file=sys.stderr)
        return _EXIT_ERROR
    except CommandError as error:
        print(f"sknethp: error: {error}", file=sys.stderr)
        return _EXIT_ERROR
    except KeyboardInterrupt:
        print("sknethp: interrupted, nothing was written", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return 0
