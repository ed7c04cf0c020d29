"""The data that is compared on, checked, and its folds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import check_consistent_length

from sknethp.comparison.tables import encoder, imputer
from sknethp.estimator.data_checks import check_classes, check_targets, listed
from sknethp.estimator.odd_data import reject_odd_labels
from sknethp.self_tuning.folds import Splits

_INNER_FOLDS = 5
# Training and test rows by what a model is given.
Prepared = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Data:
    """A table, as a data frame or an array, its labels and groups."""

    X: Any
    y: np.ndarray
    groups: np.ndarray | None

    @cached_property
    def classes(self) -> np.ndarray:
        """The labels that there are, sorted."""
        return np.unique(self.y)

    @cached_property
    def encoded(self) -> np.ndarray:
        """The index of each label among the classes."""
        return np.searchsorted(self.classes, self.y)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        columns = getattr(self.X, "columns", range(self.X.shape[1]))
        return [str(name) for name in columns]

    def column(self, i: int) -> np.ndarray:
        """Return a column."""
        return self.X.iloc[:, i].to_numpy() if hasattr(self.X, "iloc") else self.X[:, i]

    def rows(self, index: np.ndarray) -> Any:
        """Return some rows of the table."""
        return self.X.iloc[index] if hasattr(self.X, "iloc") else self.X[index]


def checked(X: Any, y: Any, groups: Any) -> Data:
    """Check the data, and say in a sentence what is wrong with it."""
    X = _as_table(X)
    reject_odd_labels(y, "y")
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y has {y.ndim} dimensions, {y.shape}: give one label for each row.")
    check_consistent_length(X, y, groups)
    if len(y) and y.dtype.kind == "O":
        y = y.astype(str) if isinstance(y[0], str) else np.array(y.tolist())
    check_targets(y)
    data = Data(X, y, None if groups is None else np.asarray(groups))
    _check_columns(data)
    check_classes(data.classes)
    _check_counts(data)
    return data


def _as_table(X: Any) -> Any:
    if sparse.issparse(X):
        raise ValueError(
            "X is a sparse matrix, which gradient boosting cannot take: give X.toarray()."
        )
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if hasattr(X, "iloc"):
        return X.reset_index(drop=True)
    X = np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimensions, {X.shape}, but a table has rows and columns.")
    if X.dtype.kind in "biuf":
        return X
    from pandas import DataFrame

    table = DataFrame(X.tolist())
    return table.set_axis([f"column {i}" for i in range(X.shape[1])], axis=1)


def _check_columns(data: Data) -> None:
    if not data.X.shape[1]:
        raise ValueError("X has no columns.")
    names = data.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"X has several columns named {listed(np.array(twice))}: give each another name."
        )
    infinite = [name for i, name in enumerate(names) if _has_infinity(data.column(i))]
    if infinite:
        raise ValueError(
            f"X has numbers that are infinite, or too large for 32-bit floats, in "
            f"{listed(np.array(infinite))}: replace them, or leave these cells empty."
        )


def _has_infinity(column: np.ndarray) -> bool:
    if column.dtype.kind != "f":
        return False
    with np.errstate(over="ignore"):
        return bool(np.isinf(column.astype(np.float32)).any())


def _check_counts(data: Data) -> None:
    counts = np.bincount(data.encoded)
    if len(counts) == len(data.y):
        raise ValueError(
            f"y has {len(counts)} labels, all different: it names the rows, and not classes."
        )
    if counts.min() == 1:
        rare = data.classes[counts == 1]
        raise ValueError(
            f"y has a single row of class {listed(rare)}, but a class needs rows to train on and "
            "others to test on: remove it, or collect more."
        )


def outer_folds(cv: Any, data: Data, seed: int) -> tuple[Splits, list[str]]:
    """Return training and test rows, the same for all models, and what was less than asked for.

    A number of folds is stratified and shuffled, and keeps groups together if there are some.
    """
    notes = []
    if isinstance(cv, Integral):
        n_folds, fewest = int(cv), int(np.bincount(data.encoded).min())
        if n_folds < 2:
            raise ValueError(f"cv={cv!r} is not valid: it must be at least 2, or a splitter.")
        if fewest < n_folds:
            rare = data.classes[np.bincount(data.encoded) == fewest]
            notes = [
                f"Class {listed(rare)} has only {fewest} rows, so that there are {fewest} folds "
                f"in place of {n_folds}."
            ]
            n_folds = fewest
        splitter = _splitter(n_folds, data, seed)
    else:
        splitter = check_cv(cv, data.y, classifier=True)
    splits = list(splitter.split(np.zeros(len(data.y)), data.y, data.groups))
    for train, _ in splits:
        if len(np.unique(data.y[train])) < len(data.classes):
            missing = np.setdiff1d(data.classes, data.y[train])
            raise ValueError(
                f"A fold has no training rows of class {listed(missing)}: give another cv, or "
                "fewer folds."
            )
    return splits, notes


def inner_folds(data: Data, train: np.ndarray, seed: int) -> Splits:
    """Return the folds of a training part for those that tune, as positions in it."""
    part = Data(None, data.y[train], None if data.groups is None else data.groups[train])
    n_folds = min(_INNER_FOLDS, max(2, int(np.bincount(part.encoded).min())))
    splitter = _splitter(n_folds, part, seed)
    return list(splitter.split(np.zeros(len(train)), part.y, part.groups))


def _splitter(n_folds: int, data: Data, seed: int) -> Any:
    kind = StratifiedKFold if data.groups is None else StratifiedGroupKFold
    if data.groups is not None and len(np.unique(data.groups)) < n_folds:
        n_folds = len(np.unique(data.groups))
        if n_folds < 2:
            raise ValueError("groups has one group, but rows to train and to test on need two.")
    return kind(n_folds, shuffle=True, random_state=seed)


def prepared(data: Data, train: np.ndarray, test: np.ndarray) -> Prepared:
    """Return training and test rows as they are, as numbers, and as complete numbers."""
    raw = data.rows(train), data.rows(test)
    encode, impute = encoder(data.X), imputer()
    with warnings.catch_warnings():
        # A rare category may well be missing from a fold; it is encoded as zeros.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        numbers = _array(encode.fit_transform(raw[0])), _array(encode.transform(raw[1]))
    complete = numbers
    if any(np.isnan(part).any() for part in numbers):
        complete = impute.fit_transform(numbers[0]), impute.transform(numbers[1])
    return {"as it is": raw, "numbers": numbers, "complete": complete}


def _array(table: Any) -> np.ndarray:
    return np.asarray(table, dtype=np.float32)
