"""The subcommand ``tune``: its arguments."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

HELP = "tune a deep net on a data set"
DESCRIPTION = (
    "Tune a deep net on a data set by cross-validation, and compare it with two simple "
    "baselines on held-out rows. A run that was interrupted goes on when the same line is "
    "run again."
)


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments with ``ArgumentParser.add_argument``."""
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
        help="how many candidates to try; a grid may have fewer (default: %(default)s)",
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
        help="fraction of the rows held out for the final score (default: %(default)s)",
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


def run(arguments: argparse.Namespace) -> None:
    """Search, compare with baselines, write the results."""
    from sknethp.cli.tuning import tune

    tune(arguments)


def _integer(low: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None
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
