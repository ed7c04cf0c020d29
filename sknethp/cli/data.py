"""Data sets for the command: files and what scikit-learn bundles."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.utils.multiclass import type_of_target

from sknethp.cli.errors import CommandError

BUNDLED = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
_CSV = (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip")
_PARQUET = (".parquet", ".pq")
_DEFAULT_TARGET = "target"


@dataclass(frozen=True)
class Dataset:
    """Columns to learn from (n_samples, n_features), and labels (n_samples,) named `target`."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    target: str


def load_dataset(source: str, target: str | None = None) -> Dataset:
    """Load a bundled data set, or a CSV or Parquet file, and check that it can be classified."""
    if source in BUNDLED:
        if target is not None:
            raise CommandError(f"--target is for files, but {source!r} is a bundled data set")
        bunch = BUNDLED[source](as_frame=True)
        labels = np.asarray(bunch.target_names)[bunch.target.to_numpy()]
        return Dataset(source, bunch.data, labels, _DEFAULT_TARGET)
    table = _read_table(source)
    column = _target_column(table, target, source)
    X = table.drop(columns=column)
    _check_columns(X, source)
    return Dataset(source, X, _labels(table[column], column), column)


def _read_table(source: str) -> pd.DataFrame:
    path = Path(source)
    if not path.is_file():
        near = difflib.get_close_matches(source, BUNDLED, n=1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        raise CommandError(
            f"there is no file {source!r};{hint} "
            f"give a CSV or Parquet file or one of {', '.join(BUNDLED)}"
        )
    name = path.name.lower()
    if name.endswith(_CSV):
        read, kind = pd.read_csv, "CSV"
    elif name.endswith(_PARQUET):
        read, kind = pd.read_parquet, "Parquet"
    else:
        raise CommandError(
            f"{source!r} is neither CSV nor Parquet by its name, which must end in "
            f"{', '.join(_CSV + _PARQUET)}"
        )
    try:
        return read(path)
    except (ValueError, OSError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CommandError(f"cannot read {source!r} as {kind}: {reason}") from error


def _target_column(table: pd.DataFrame, target: str | None, source: str) -> str:
    column = _DEFAULT_TARGET if target is None else target
    if column in table.columns:
        return column
    near = difflib.get_close_matches(column, map(str, table.columns))
    names = dict.fromkeys([*near, *table.columns])
    hint = "name the label column with --target" if target is None else "--target must be one"
    raise CommandError(f"{source!r} has no column {column!r}; {hint} of: {listed(names)}")


def _check_columns(X: pd.DataFrame, source: str) -> None:
    if len(X.columns) == len(empty_columns(X)):
        raise CommandError(f"{source!r} has no column with values beside the label to learn from")
    if nested := [name for name in X if _is_nested(X[name])]:
        raise CommandError(
            f"{source!r} has lists or records in {listed(nested)}; "
            "columns must hold numbers, text, categories or dates"
        )
    if infinite := [name for name in X if _has_infinity(X[name])]:
        raise CommandError(
            f"{source!r} has numbers that are infinite or too large for 32-bit floats in "
            f"{listed(infinite)}; replace them by smaller ones or leave these cells empty"
        )


def empty_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns without values."""
    return [str(name) for name in X.columns[X.isna().all()]] if len(X) else []


def listed(names: Iterable[Any], most: int = 10) -> str:
    """Return names as a sentence has them, cut where they are many."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_nested(column: pd.Series) -> bool:
    nested = (list, dict, np.ndarray)
    return column.dtype == object and any(isinstance(value, nested) for value in column)


def _has_infinity(column: pd.Series) -> bool:
    """Whether a column of numbers, perhaps stored as text, is not finite as 32-bit floats."""
    if column.dtype.kind not in "iufO" or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # of integers that no float can hold
        return True
    if numbers.count() < column.count():
        return False
    with np.errstate(over="ignore"):
        return bool(np.isinf(numbers.to_numpy(np.float32, na_value=np.nan)).any())


def _labels(column: pd.Series, name: str) -> np.ndarray:
    n_missing = int(column.isna().sum())
    if n_missing:
        raise CommandError(
            f"{n_missing} of {len(column)} rows have no label in {name!r}; "
            "fill them in or remove these rows"
        )
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    labels = column.to_numpy() if numeric else column.astype(str).to_numpy(dtype=object)
    if (numeric and _has_infinity(column)) or type_of_target(labels) == "continuous":
        raise CommandError(
            f"column {name!r} holds fractional or infinite numbers, not classes; "
            "name a label column with --target"
        )
    if len(np.unique(labels)) < 2:
        raise CommandError(
            f"all {len(labels)} rows have the same label in {name!r}; two are needed"
        )
    return labels
