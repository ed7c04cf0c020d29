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

    def option(name: str, default: Any, text: str, **how: Any) -> None:
        add(name, default=default, help=f"{text} (default: %(default)s)", **how)

    bundled = "iris, wine, breast_cancer, digits"
    add("data", metavar="DATA", help=f"a CSV or Parquet file, or one of {bundled}")
    add("--target", metavar="NAME", help="the label column of a file (default: target)")
    methods = ["grid", "random", "bayes"]
    option("--method", "random", "how candidates are chosen", choices=methods)
    n_candidates = "how many candidates to try; a grid may have fewer"
    option("--candidates", 20, n_candidates, metavar="N", type=_integer(1))
    option("--cv", 5, "folds of the cross-validation", metavar="K", type=_integer(2))
    held_out = "fraction of the rows held out for the final score"
    option("--test-fraction", 0.2, held_out, metavar="F", type=_fraction)
    option("--seed", 0, "seed of everything random", metavar="S", type=_seed)
    option("--out", Path("sknethp-result"), "folder for the results", metavar="DIR", type=Path)
    add("--force", action="store_true", help="replace the results of an earlier run in DIR")


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
