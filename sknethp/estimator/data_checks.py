"""Checks of the data before any training, each with one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from sknethp.estimator.odd_data import missing_labels, odd_cell, reject_odd_labels, reject_times
from sknethp.hyperparameters.constraints import Number

_WEIGHT = Number(0)
# What scikit-learn and numpy say, and what a person is better told.
_PLAIN_WORDS = {
    r"Found input variables with inconsistent numbers of samples: \[(\d+), (\d+)\]": "{X} has {0} "
    "samples, but {y} has {1}: give one label for each sample.",
    r"X has (\d+) features?, but \w+ is expecting (\d+)": "{X} has {0} features, but "
    "DeepNetClassifier is expecting {1} features as input.",
}


_ABOUT_CELLS = re.compile(
    r"Input X contains|could not convert string|float\(\) argument|setting an array element"
)


def check_data(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool = True,
    names: tuple[str, str] = ("X", "y"),
) -> Any:
    """Check samples as scikit-learn does, with shorter words for what goes wrong most often.

    Parameters
    ----------
    estimator : estimator
        Learns, or is held to, the number and the names of the features.
    X, y : array-like
        Without `y`, the samples alone.
    reset : bool
        Whether the features are new to the estimator.
    names : tuple of str
        What the caller calls `X` and `y`.

    Returns
    -------
    X, or a tuple of X and y
        X is a float32 array or CSR matrix.

    Raises
    ------
    ValueError, TypeError
    """
    reject_times(X, names[0])
    if not (isinstance(y, str) or y is None):
        reject_odd_labels(y, names[1])
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is then rejected
            return validate_data(
                estimator, X, y, reset=reset, accept_sparse="csr", dtype=np.float32
            )
    except (TypeError, ValueError) as error:
        for pattern, sentence in _PLAIN_WORDS.items():
            if found := re.match(pattern, str(error)):
                words = sentence.format(*found.groups(), X=names[0], y=names[1])
                raise ValueError(words) from error
        if re.match(r"Input (y )?contains NaN", str(error)):
            raise ValueError(missing_labels(names[1])) from error
        if better := _ABOUT_CELLS.match(str(error)) and odd_cell(X, names[0], error):
            raise better from error
        raise


def listed(labels: np.ndarray, most: int = 10) -> str:
    """Write labels as a person would, and no more than some of them."""
    shown = [repr(label) for label in np.asarray(labels)[:most].tolist()]
    return ", ".join(shown) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def check_class_weight(class_weight: Any, classes: np.ndarray) -> None:
    """Reject a dict with labels that the data do not have, or with weights that are none.

    Raises
    ------
    ValueError
    """
    if not isinstance(class_weight, Mapping):
        return
    known = set(classes.tolist())
    unknown = [label for label in class_weight if label not in known]
    if unknown:
        raise ValueError(
            f"class_weight has labels that y has not, {', '.join(map(repr, unknown))}: use y's "
            f"labels, {listed(classes)}."
        )
    for label, weight in class_weight.items():
        if not _WEIGHT.allows(weight):
            raise ValueError(
                f"class_weight={class_weight!r} gives class {label!r} the weight {weight!r}: a "
                f"weight must be {_WEIGHT.describe()}."
            )


def check_classes(classes: np.ndarray) -> None:
    """Reject data with a single class.

    Raises
    ------
    ValueError
    """
    if len(classes) < 2:
        raise ValueError(
            f"y has only one class, {listed(classes)}: a classifier needs samples of at least 2 "
            "classes. Check the labels, or stratify the split that made this y."
        )


def check_targets(y: np.ndarray) -> None:
    """Reject targets of a regression; whole numbers, which are labels, need no closer look."""
    if y.dtype.kind not in "biu":
        check_classification_targets(y)


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Check sample weights, ``(n_samples,)``."""
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def encode(y: np.ndarray, classes: np.ndarray, name: str) -> np.ndarray:
    """Return the position of each label among the classes."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{name} has labels that are not among the classes {listed(classes)}: "
            f"{listed(unknown)}."
        )
    return np.searchsorted(classes, y)


def validation_size(encoded: np.ndarray, classes: np.ndarray, fraction: float) -> int:
    """Return how many samples to hold out: the share asked for, but one of each class at least.

    Raises
    ------
    ValueError
        If a class is too small to be in both parts, or too few samples are left to train on.
    """
    counts = np.bincount(encoded, minlength=len(classes))
    smallest = int(counts.argmin())
    if counts[smallest] < 2:
        raise ValueError(
            f"Class {listed(classes[[smallest]])} has {counts[smallest]} sample, too few to be in "
            "both the training and the validation part: give X_val and y_val to fit, set "
            "early_stopping=False, or leave out the class."
        )
    wanted = max(int(np.ceil(fraction * len(encoded))), len(classes))
    left = len(encoded) - wanted
    if left < len(classes):
        raise ValueError(
            f"validation_fraction={fraction} holds out {wanted} of {len(encoded)} samples, which "
            f"leaves {left} to train on, fewer than the {len(classes)} classes: lower it, or give "
            "X_val and y_val to fit."
        )
    return wanted
