"""Checks of the data before training."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from sknethp.estimator.odd_data import missing_labels, odd_cell, reject_odd_labels, reject_times
from sknethp.exceptions import UnscaledInputWarning
from sknethp.session import current_session

# Root mean square of a column. Scaled inputs of many kinds stay below 40, raw digits are at 13;
# breast cancer, which is learnt badly, is at 1000.
_UNSCALED = 150
# Messages of scikit-learn and numpy, with clearer ones for users.
_PLAIN_WORDS = {
    r"Found input variables with inconsistent numbers of samples: \[(\d+), (\d+)\]": "{X} has {0} "
    "samples, but {y} has {1}: give one label for each sample.",
    r"X has (\d+) features?, but \w+ is expecting (\d+)": "{X} has {0} features, but "
    "{name} is expecting {1} features as input.",
}
_FLOATS = (np.float32, np.float64)
_ABOUT_CELLS = re.compile(
    r"Input X contains|could not convert string|float\(\) argument|setting an array element"
    r"|int too large|cannot convert signaling NaN"
)


def check_data(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool = True,
    names: tuple[str, str] = ("X", "y"),
) -> Any:
    """Check samples as scikit-learn does, with clearer messages for the most frequent mistakes.

    `estimator` learns the number and names of the features, or is held to them; `names` are what
    the caller calls `X` and `y`. `X` is returned in float32, as an array or a CSR matrix.
    """
    if _is_plain(X, y):
        checked = _checked_plain(estimator, X, reset)
        if checked is not None:
            return checked if isinstance(y, str) else (checked, y)
    reject_times(X, names[0])
    if not (isinstance(y, str) or y is None):
        reject_odd_labels(y, names[1])
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is then rejected
            return validate_data(
                estimator, X, y, reset=reset, accept_sparse="csr", dtype=np.float32, order="C"
            )
    except (OverflowError, TypeError, ValueError) as error:
        for pattern, sentence in _PLAIN_WORDS.items():
            if match := re.match(pattern, str(error)):
                name = type(estimator).__name__
                words = sentence.format(*match.groups(), X=names[0], y=names[1], name=name)
                raise ValueError(words) from error
        if re.match(r"Input (y )?contains NaN", str(error)):
            raise ValueError(missing_labels(names[1])) from error
        if better := _ABOUT_CELLS.match(str(error)) and odd_cell(X, names[0], error):
            raise better from error
        raise


def _is_plain(X: Any, y: Any) -> bool:
    """Tell whether samples are an array of floats, with an array of integers as labels or none."""
    if type(X) is not np.ndarray or X.dtype not in _FLOATS or X.ndim != 2 or X.size == 0:
        return False
    is_labels = type(y) is np.ndarray and y.dtype.kind in "biu" and y.shape == (len(X),)
    return is_labels or isinstance(y, str)


def _checked_plain(estimator: Any, X: np.ndarray, reset: bool) -> np.ndarray | None:
    """Check a plain array in a tenth of the time; None where scikit-learn has something to say."""
    with np.errstate(over="ignore", invalid="ignore"):
        checked = np.asarray(X, np.float32, order="C")
        is_finite = np.isfinite(checked.sum())
    if not is_finite or hasattr(estimator, "feature_names_in_"):
        return None
    if reset:
        estimator.n_features_in_ = X.shape[1]
    elif getattr(estimator, "n_features_in_", None) != X.shape[1]:
        return None
    return checked


def warn_of_unscaled(estimator: Any, X: Any, input_scaling: str | None) -> None:
    """Warn of inputs too large for a net that does not scale them, and name the worst column."""
    if input_scaling is not None:
        return
    names = getattr(estimator, "feature_names_in_", None)
    with np.errstate(over="ignore"):
        squares = X.multiply(X).sum(0) if sparse.issparse(X) else np.einsum("ij,ij->j", X, X)
    sizes = np.sqrt(np.asarray(squares, np.float64).ravel() / X.shape[0])
    worst = int(sizes.argmax())
    if sizes[worst] <= _UNSCALED:
        return
    name = f"number {worst}" if names is None else repr(names[worst])
    message = (
        f"The inputs are not scaled: column {name} has very large values, but nets learn best from "
        "values near one. Set input_scaling='standard', or put a StandardScaler in front."
    )
    # Each subset of columns has another worst one.
    if current_session().is_first(UnscaledInputWarning.__name__):
        warnings.warn(message, UnscaledInputWarning, stacklevel=3)


def listed(labels: np.ndarray, most: int = 10) -> str:
    """Write some of the labels as text."""
    shown = [repr(label) for label in np.asarray(labels)[:most].tolist()]
    return ", ".join(shown) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def check_classes(classes: np.ndarray) -> None:
    """Reject data with a single class."""
    if len(classes) < 2:
        raise ValueError(
            f"y has only one class, {listed(classes)}: a classifier needs samples of at least 2 "
            "classes. Check the labels, or stratify the split that made this y."
        )


def check_targets(y: np.ndarray) -> None:
    """Reject the targets of a regression; integers are labels."""
    if y.dtype.kind not in "biu":
        check_classification_targets(y)


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Check sample weights, ``(n_samples,)``."""
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def encode(y: np.ndarray, classes: np.ndarray, name: str) -> np.ndarray:
    """Return the index of each label among the classes."""
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"{name} has labels that are not among the classes {listed(classes)}: "
            f"{listed(unknown)}."
        )
    return np.searchsorted(classes, y)
