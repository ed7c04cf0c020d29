"""What a colleague would say about the data, as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.tree import DecisionTreeClassifier

from sknethp.comparison.data import Data
from sknethp.estimator.data_checks import listed

# With fewer rows of a class in a fold, its scores are chance.
_FEW_PER_FOLD = 5
_DISTINCT = 0.95
_FEWEST_ROWS = 30
_LEAK = 0.98
_MOST_ROWS = 2000
_MISSING = "\0"


def about_data(data: Data, n_folds: int) -> list[str]:
    """Return what is suspicious about the data."""
    return [*_small_classes(data, n_folds), *_identifiers(data), *_leaks(data)]


def _small_classes(data: Data, n_folds: int) -> Iterator[str]:
    counts = np.bincount(data.encoded)
    small = np.flatnonzero(counts < _FEW_PER_FOLD * n_folds)
    for i in small[:3]:
        yield (
            f"Class {listed(data.classes[[i]])} has only {counts[i]} rows, about "
            f"{counts[i] / n_folds:.0f} in a fold: what the models make of it is largely chance."
        )
    if len(small) > 3:
        yield f"{len(small) - 3} more classes are as small."


def _identifiers(data: Data) -> Iterator[str]:
    found = [name for i, name in enumerate(data.names) if _identifies(data.column(i))]
    if found:
        yield (
            f"Column{'s' * (len(found) > 1)} {listed(np.array(found))} "
            f"{'have' if len(found) > 1 else 'has'} another value in nearly every row: a model can "
            "learn rows by heart from it, and nothing about new ones. Leave it out, unless it "
            "is a measurement."
        )


def _identifies(column: np.ndarray) -> bool:
    """Tell whether whole numbers or text are all different; fractions are measurements."""
    if len(column) < _FEWEST_ROWS or column.dtype.kind in "fbMm":
        return False
    share = len(set(column.tolist())) / len(column)
    return share == 1 if column.dtype.kind in "iu" else share >= _DISTINCT


def _leaks(data: Data) -> Iterator[str]:
    """Find columns each of which predicts nearly all labels by itself, by a small tree."""
    if len(data.y) < _FEWEST_ROWS:
        return
    y = data.encoded
    n_rows = min(len(y), _MOST_ROWS)
    halves = StratifiedShuffleSplit(
        1, train_size=n_rows // 2, test_size=n_rows - n_rows // 2, random_state=0
    )
    ((train, test),) = halves.split(y, y)
    for i, name in enumerate(data.names):
        numbers = _numbers(data.column(i))[:, None]
        tree = DecisionTreeClassifier(min_samples_leaf=3, random_state=0)
        predicted = tree.fit(numbers[train], y[train]).predict(numbers[test])
        score = balanced_accuracy_score(y[test], predicted)
        if score >= _LEAK:
            yield (
                f"Column {name!r} alone predicts {score:.1%} of the labels, weighting classes "
                "equally: is it known before the label is? Otherwise it leaks the answer."
            )


def _numbers(column: np.ndarray) -> np.ndarray:
    """Return a column as numbers: values that are no numbers by their order, gaps below all."""
    if column.dtype.kind in "biuf":
        numbers = column.astype(np.float64)
    else:
        text = [_MISSING if _is_missing(value) else str(value) for value in column.tolist()]
        numbers = np.unique(text, return_inverse=True)[1].astype(np.float64)
    lowest = np.nanmin(numbers) if np.isfinite(numbers).any() else 0.0
    return np.clip(np.nan_to_num(numbers, nan=lowest - 1), -1e30, 1e30)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
