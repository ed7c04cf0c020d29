"""Data sets for the command: files and what scikit-learn bundles."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from sknethp.cli.columns import check_columns, check_complete, listed
from sknethp.cli.errors import CommandError
from sknethp.cli.labels import checked_labels
from sknethp.cli.reading import Table, read_table

BUNDLED = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
_DEFAULT_TARGET = "target"


@dataclass(frozen=True)
class Dataset:
    """Columns to learn from (n_samples, n_features), and labels (n_samples,) named `target`.

    `groups` (n_samples,) are the values of the column `group`; `notes` are sentences about how the
    file was read.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    target: str
    groups: np.ndarray | None = None
    group: str | None = None
    notes: list[str] = field(default_factory=list)


def load_dataset(
    source: str,
    target: str | None = None,
    *,
    drop: Sequence[str] = (),
    group: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
) -> Dataset:
    """Load a bundled data set or a file, and check that it can be classified."""
    table = load_table(source, separator=separator, encoding=encoding)
    if source in BUNDLED and target is not None:
        raise CommandError(f"--target is for files, but {source!r} is a bundled data set")
    frame = table.frame
    dropped = [name for each in drop for name in _dropped(frame, each, source)]
    columns = frame.columns.drop(dropped)
    column = _target_column(columns, target, source)
    groups = None if group is None else _groups(frame, group, columns.drop(column), source)
    X = frame[columns.drop([column] if group is None else [column, group])]
    check_columns(X, source)
    y = checked_labels(frame[column])
    return Dataset(source, X, y, column, groups, group, table.notes)


def load_table(source: str, *, separator: str | None = None, encoding: str | None = None) -> Table:
    """Load a bundled data set, with its labels, or a file."""
    if source in BUNDLED:
        bunch = BUNDLED[source](as_frame=True)
        labels = np.asarray(bunch.target_names)[bunch.target.to_numpy()]
        return Table(bunch.data.assign(**{_DEFAULT_TARGET: labels}))
    path = Path(source)
    if path.is_dir():
        raise CommandError(f"{source!r} is a folder; give a CSV or Parquet file")
    if not path.is_file():
        near = difflib.get_close_matches(source, BUNDLED, n=1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        raise CommandError(
            f"there is no file {source!r};{hint} "
            f"give a CSV or Parquet file or one of {', '.join(BUNDLED)}"
        )
    return read_table(path, separator, encoding)


def _target_column(columns: pd.Index, target: str | None, source: str) -> str:
    column = _DEFAULT_TARGET if target is None else target
    hint = "name the label column with --target" if target is None else "--target must be one"
    return _known(columns, column, source, hint)


def _known(columns: pd.Index, column: str, source: str, hint: str) -> str:
    if column in columns:
        return column
    near = difflib.get_close_matches(column, map(str, columns))
    names = dict.fromkeys([*near, *columns])
    raise CommandError(f"{source!r} has no column {column!r}; {hint} of: {listed(names)}")


def _dropped(frame: pd.DataFrame, given: str, source: str) -> list[str]:
    """Return the columns that a name, or several divided by commas, stands for."""
    names = [given] if given in frame.columns else [name.strip() for name in given.split(",")]
    return [_known(frame.columns, name, source, "--drop must be some") for name in names]


def _groups(frame: pd.DataFrame, group: str, columns: pd.Index, source: str) -> np.ndarray:
    column = frame[_known(columns, group, source, "--group must be one")]
    check_complete(column, "group")
    if column.nunique() < 2:
        raise CommandError(f"all rows have the same group in {group!r}; two are needed")
    return pd.factorize(column)[0]
