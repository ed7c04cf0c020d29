"""Messages for cells that are not numbers and for invalid labels: what they are, and where."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

_FILL = "impute such cells first, for instance with sklearn.impute.SimpleImputer"
_ENCODE = (
    "encode such columns first, for instance with sklearn.preprocessing.OneHotEncoder in a "
    "ColumnTransformer, or with skrub.TableVectorizer"
)
_DATES = "dates", "encode them first, for instance with skrub.DatetimeEncoder"
_DURATIONS = "durations", "turn them into numbers first, for instance of seconds"
# By the first letters of type names of pandas, polars, pyarrow, numpy and Python.
_KINDS = {
    "timedelta": _DURATIONS,
    "duration": _DURATIONS,
    "datetime": _DATES,
    "timestamp": _DATES,
    "date": _DATES,
    "period": _DATES,
    "time": ("times", _DURATIONS[1]),
    "interval": ("intervals", "replace each by a number, for instance its midpoint"),
}
_MISSING = {"NoneType": "None", "NAType": "pandas.NA", "NaTType": "pandas.NaT"}


def _words_for(kind: str) -> tuple[str, str] | None:
    """Return the noun and the advice for the name of a type, where there are any."""
    return next((words for start, words in _KINDS.items() if kind.lower().startswith(start)), None)


def _column_types(X: Any) -> Iterator[tuple[Any, str]]:
    """Yield names and types of the columns of a table, or of an array as a whole.

    Where cells are objects, each type among them is yielded; a category's is that of its values.
    """
    if hasattr(X, "schema") and hasattr(X.schema, "types"):  # pyarrow
        named = list(zip(X.schema.names, X.schema.types, strict=True))
    elif hasattr(X, "columns") and hasattr(X, "dtypes"):
        named = list(zip(X.columns, X.dtypes, strict=True))
    else:
        X = _as_array(X) if isinstance(X, list | tuple) else X
        named = [(None, getattr(X, "dtype", ""))]
        if str(named[0][1]) == "object" and X.ndim == 2:
            named = [(position, X.dtype) for position in range(X.shape[1])]
    for position, (name, kind) in enumerate(named):
        if str(kind) == "object" and name is not None:
            cells = X.iloc[:, position] if hasattr(X, "iloc") else X[:, position]
            yield from ((name, found.__name__) for found in set(map(type, cells)))
        else:
            yield name, str(getattr(getattr(kind, "categories", None), "dtype", kind))


def _as_array(X: Any) -> Any:
    """Return an array of nested lists; the lists, if they are uneven."""
    try:
        return np.asarray(X)
    except (OverflowError, ValueError):
        return X


def reject_times(X: Any, name: str) -> None:
    """Reject dates, durations and the like, which numpy would convert to numbers."""
    for column, kind in _column_types(X):
        if words := _words_for(kind):
            where = "" if column is None else f" in column {column!r}"
            raise ValueError(_no_number(name, words[0] + where, words[1]))


def _no_number(name: str, what: str, advice: str) -> str:
    return f"{name} contains {what}, but a net needs numbers: {advice}, or drop such columns."


def odd_cell(X: Any, name: str, error: Exception) -> Exception | None:
    """Return a clearer error for a table that was rejected, if the cell can be found."""
    for column, cell in _odd_cells(X):
        kind, number = type(cell).__name__, _number(cell)
        where = f" in column {column!r}"
        if kind in _MISSING or (number is not None and np.isnan(number)):
            what = _MISSING.get(kind, "NaN")
            return ValueError(
                f"{name} contains {what}{where}, but a net needs a number in every cell: {_FILL}, "
                "or drop those samples."
            )
        if isinstance(cell, str | bytes):
            text = cell.item() if isinstance(cell, np.generic) else cell
            return ValueError(_no_number(name, f"text{where}, such as {text!r}", _ENCODE))
        if words := _words_for(kind):
            return ValueError(_no_number(name, words[0] + where, words[1]))
        if number is not None:
            return ValueError(
                f"{name} contains infinity, or a number beyond the range of float32 (3.4e38),"
                f"{where}: clip or rescale such columns, or drop those samples."
            )
        # scikit-learn's estimator checks look for these words.
        return type(error)(
            f"{name} contains cells of type {kind}{where}, but a net needs numbers "
            f"({str(error).rstrip('.')}): "
            "encode such columns first, or drop them."
        )
    return None


def _number(cell: Any) -> float | None:
    """Return a cell as a number; None if it is none."""
    try:
        return None if isinstance(cell, np.ndarray) else float(cell)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return None


def _odd_cells(X: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the first cell that is not a finite float32, with the name or number of its column."""
    if sparse.issparse(X):
        triples = X.tocoo()
        for at in np.flatnonzero(_is_odd(triples.data))[:1]:
            yield int(triples.col[at]), triples.data[at]
        return
    names = list(X.columns) if hasattr(X, "columns") else None
    if hasattr(X, "schema") and hasattr(X.schema, "types"):
        names = X.schema.names
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.asarray(X, dtype=np.float32)
    except (OverflowError, TypeError, ValueError):
        array = np.asarray(X, dtype=object)
    if array.ndim != 2:
        return
    for position, cells in enumerate(array.T):
        for at in np.flatnonzero(_is_odd(cells))[:1]:
            yield position if names is None else names[position], cells[at]


def _is_odd(cells: np.ndarray) -> np.ndarray:
    """Tell which cells, ``(n_samples,)``, are not finite in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        if cells.dtype.kind in "biuf":
            return ~np.isfinite(cells.astype(np.float32))
        # float32 has no number for what is none, nor for what is too large.
        numbers = np.array([_number(cell) for cell in cells], np.float64)
        return ~np.isfinite(numbers.astype(np.float32))


def reject_odd_labels(y: Any, name: str) -> None:
    """Reject labels of mixed types, missing labels, and objects that cannot be labels."""
    # numpy would convert all labels of a list to text if some are text.
    array = np.asarray(y) if hasattr(y, "dtype") else np.asarray(y, dtype=object)
    if array.dtype.kind != "O" or array.ndim != 1:
        return
    kinds = {type(label).__name__ for label in array}
    if kinds & set(_MISSING) or any(label != label for label in array if isinstance(label, float)):
        raise ValueError(missing_labels(name))
    listed = ", ".join(sorted(kinds))
    n_text = sum(isinstance(label, str) for label in array)
    if 0 < n_text < len(array):
        raise ValueError(
            f"{name} contains labels of several kinds, {listed}: make them all "
            f"text, for instance with {name}.astype(str), or all numbers."
        )
    are_objects = hasattr(y, "dtype") or not all(isinstance(v, Real | np.bool_) for v in array)
    if are_objects and not n_text and "bytes" not in kinds:
        words = _words_for(listed)
        what = words[0] if words else f"objects of type {listed}"
        raise ValueError(
            f"Unknown label type: {name} contains {what}; turn them into text, for instance with "
            f"{name}.astype(str), or into numbers."
        )


def missing_labels(name: str) -> str:
    """Return an error for missing labels."""
    return (
        f"{name} contains missing labels (None or NaN): drop those samples, or give them a label "
        "of their own."
    )
