"""What runs that tune and compare have in common: data, folder, warnings, settings."""

import argparse
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from sknethp.cli.columns import date_columns, empty_columns, is_number, listed
from sknethp.cli.data import Dataset, load_dataset
from sknethp.cli.output import RunFolder, line_of, output_folder
from sknethp.cli.printing import show, warn

PACKAGES = (
    "sknethp", "torch", "skorch", "scikit-learn", "scikit-optimize", "skrub", "numpy", "scipy",
    "pandas",
)  # fmt: skip
# A column with more different texts is encoded by their letters, and has no unknown ones.
_MOST_CATEGORIES = 40


@contextmanager
def started(command: str, arguments: argparse.Namespace) -> Iterator[tuple[Dataset, RunFolder]]:
    """Make the folder, load the data and say what they are."""
    line = line_of(command, arguments)
    with output_folder(arguments.out, line, force=arguments.force) as folder:
        data = load_dataset(
            arguments.data,
            arguments.target,
            drop=arguments.drop,
            group=arguments.group,
            separator=arguments.sep,
            encoding=arguments.encoding,
        )
        show(*_about(data))
        yield data, folder


def _about(data: Dataset) -> Iterator[str]:
    """Say what the data are."""
    groups = "" if data.groups is None else f", {len(np.unique(data.groups))} groups"
    yield (
        f"{data.name}: {len(data.X)} rows, {data.X.shape[1]} columns, "
        f"{len(np.unique(data.y))} classes{groups}"
    )
    yield from data.notes
    if empty := empty_columns(data.X):
        yield f"ignored because they are empty: {listed(empty)}"


def warn_of_data(data: Dataset, n_folds: int) -> list[str]:
    """Warn of what is suspicious about the data, and return the sentences."""
    from sknethp.comparison.data import Data
    from sknethp.comparison.findings import about_data

    sentences = [*about_data(Data(data.X, data.y, data.groups), n_folds), *of_dates(data)]
    for sentence in sentences:
        warn(sentence)
    return sentences


def of_dates(data: Dataset) -> list[str]:
    """Return a warning of dates, if there are any."""
    if not (dates := date_columns(data.X)):
        return []
    names = listed(map(repr, dates))
    which = f"Columns {names} hold" if len(dates) > 1 else f"Column {names} holds"
    return [
        f"{which} dates, which become numbers (year, month, day and so on): of later dates "
        "nothing was learnt. Leave out with --drop what only says when a row was recorded."
    ]


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print warnings meant for the user as lines, once each, and not those that are ordinary.

    Failed fits are counted instead, and a rare category may well be missing from a fold.
    """
    told = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        message = str(warning.message)
        is_ordinary = any(part in message for part in ("non-finite", "unknown categories"))
        if warning.category is UserWarning and not is_ordinary and message not in told:
            told.add(message)
            warn(message)


def settings_of(
    arguments: argparse.Namespace, data: Dataset, learnt_from: pd.DataFrame
) -> dict[str, Any]:
    """Return what a later command needs to know: arguments, columns and versions."""
    return {
        "arguments": {**vars(arguments), "out": str(arguments.out)},
        "data": {
            "name": data.name,
            "target": data.target,
            "group": data.group,
            "columns": [str(name) for name in data.X.columns],
            "numbers": [str(name) for name in data.X if is_number(data.X[name])],
            "categories": _categories(learnt_from),
            "classes": np.unique(data.y).tolist(),
            "n_rows": len(data.y),
        },
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }


def report_of(folder: RunFolder) -> list[str]:
    """Make the report of a finished run; return lines about it, none if that failed."""
    try:
        from sknethp.report.page import make_report

        return [f"{make_report(folder.path)}  all of it as a page"]
    except ModuleNotFoundError as error:
        warn(f"no report was made: {error}; pip install 'sknethp[report]'")
    except (Exception, KeyboardInterrupt) as error:  # the results are there whatever happens
        reason = (str(error).splitlines() or [""])[0]
        warn(
            f"no report was made ({type(error).__name__}: {reason}); "
            f"sknethp report {folder.path} tries again"
        )
    return []


def _categories(X: pd.DataFrame) -> dict[str, list[str]]:
    """Return the values of columns that have few and are neither numbers nor dates."""
    dates, found = date_columns(X), {}
    for name in X:
        column = X[name]
        if not is_number(column) and name not in dates and column.nunique() <= _MOST_CATEGORIES:
            found[str(name)] = sorted(column.dropna().astype(str).unique())
    return found
