"""Arguments that subcommands have in common, and how their text is read."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BUNDLED = "iris, wine, breast_cancer, digits"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}

Add = Callable[..., Any]


def option(add: Add, name: str, default: Any, text: str, **how: Any) -> None:
    """Declare an option whose help tells the default."""
    add(name, default=default, help=f"{text} (default: %(default)s)", **how)


def add_reading(add: Add) -> None:
    """Declare how a file is read."""
    add("--sep", metavar="CHAR", type=separator, help="what separates columns; found by default")
    add("--encoding", metavar="NAME", help="of text; UTF-8, or found where it is not")


def add_data(add: Add) -> None:
    """Declare the data."""
    add("data", metavar="DATA", help=f"a CSV, TSV or Parquet file, or one of {_BUNDLED}")
    add("--target", metavar="NAME", help="the label column of a file (default: target)")
    without = "columns to leave out; may be given several times, or names divided by commas"
    add("--drop", metavar="NAME", action="append", default=[], help=without)
    groups = "a column whose groups of rows are never divided between training and test"
    add("--group", metavar="NAME", help=groups)
    add_reading(add)


def add_run(add: Add, out: str) -> None:
    """Declare folds, seed, cores and the folder of a run."""
    metric = "log-loss, accuracy, auc, f1 or any of scikit-learn's, of which the best is chosen"
    option(add, "--metric", "log-loss", metric, metavar="NAME")
    option(add, "--cv", 5, "folds of the cross-validation", metavar="K", type=integer(2))
    option(add, "--seed", 0, "seed of everything random", metavar="S", type=seed)
    jobs = "cores to use; -1 for all"
    add("--jobs", metavar="N", type=jobs_number, help=jobs)
    option(add, "--out", Path(out), "folder for the results", metavar="DIR", type=Path)
    add("--force", action="store_true", help="replace the results of an earlier run in DIR")


def integer(low: int) -> Callable[[str], int]:
    """Return what reads an integer of at least `low`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        return value

    return convert


def seed(text: str) -> int:
    """Read a seed."""
    value = integer(0)(text)
    if value >= 2**32:
        raise argparse.ArgumentTypeError(f"must be less than 2**32, got {value}")
    return value


def jobs_number(text: str) -> int:
    """Read a number of jobs."""
    if (value := integer(-1)(text)) == 0:
        raise argparse.ArgumentTypeError("must be a number of cores, or -1 for all, got 0")
    return value


def fraction(text: str) -> float:
    """Read a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
    return value


def seconds(text: str) -> float:
    """Read a time such as 90s, 2m or 1h; a number alone is of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([smh]?)", text.strip().lower())
    value = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a time such as 90s, 2m or 1h, got {text!r}")
    return value


def separator(text: str) -> str:
    r"""Read a single character, or ``\t`` or ``tab``."""
    character = {"\\t": "\t", "tab": "\t", "space": " "}.get(text.lower(), text)
    if len(character) != 1 or character in '"\r\n':
        raise argparse.ArgumentTypeError(f"must be one character, or tab, got {text!r}")
    return character
