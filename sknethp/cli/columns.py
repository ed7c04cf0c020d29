"""The columns to learn from: what cannot be used, and what deserves a warning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from sknethp.cli.errors import CommandError

_DATE = r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?"
_FEW = 100


def check_columns(X: pd.DataFrame, source: str) -> None:
    """Raise a CommandError if columns cannot be encoded."""
    if len(X.columns) == len(empty_columns(X)):
        raise CommandError(f"{source!r} has no column with values beside the label to learn from")
    if nested := [name for name in X if _is_nested(X[name])]:
        raise CommandError(
            f"{source!r} has lists or records in {listed(nested)}; "
            "columns must hold numbers, text, categories or dates"
        )
    check_finite(X, source)


def check_finite(X: pd.DataFrame, source: str) -> None:
    """Raise a CommandError if numbers do not fit 32-bit floats."""
    if infinite := [name for name in X if has_infinity(X[name])]:
        raise CommandError(
            f"{source!r} has numbers that are infinite or too large for 32-bit floats in "
            f"{listed(infinite)}; replace them by smaller ones or leave these cells empty"
        )


def check_complete(column: pd.Series, what: str) -> None:
    """Raise a CommandError if there are gaps in a column that has each row's label or group."""
    if n_missing := int(column.isna().sum()):
        raise CommandError(
            f"{n_missing} of {len(column)} rows have no {what} in {column.name!r}; "
            "fill them in or remove these rows"
        )


def empty_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns without values."""
    return [str(name) for name in X.columns[X.isna().all()]] if len(X) else []


def date_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns of dates, stored as such or as text."""
    return [str(name) for name in X if _is_date(X[name])]


def listed(names: Iterable[Any], most: int = 10) -> str:
    """Return names as a sentence has them, cut where they are many."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers, and no booleans."""
    kind = column.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _is_nested(column: pd.Series) -> bool:
    nested = (list, dict, np.ndarray)
    return column.dtype == object and any(isinstance(value, nested) for value in column)


def _is_date(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    first = column.dropna().head(_FEW).astype(str)
    return bool(len(first) and first.str.fullmatch(_DATE).all())


def has_infinity(column: pd.Series) -> bool:
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
