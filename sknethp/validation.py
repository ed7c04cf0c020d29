"""Checks of hyperparameters and data before any training, each with one clear sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils.validation import validate_data
from skorch.callbacks import InputShapeSetter, LRScheduler, ParamMapper

from sknethp.constraints import Number, complaint, is_sequence
from sknethp.hyperparameters import PER_LAYER, TABLE
from sknethp.odd_data import missing_labels, odd_cell, reject_odd_labels, reject_times
from sknethp.stopping import MEASURED

_WEIGHT = Number(0)
_USELESS_CALLBACKS: dict[type, str] = {
    LRScheduler: ", and set lr_schedule",
    ParamMapper: "",
    InputShapeSetter: "; the number of features is known anyway",
}
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


def check_hyperparameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Reject values and combinations that are not allowed; return all in their plain form.

    That is Python's own numbers, and tuples with one entry per layer.

    Raises
    ------
    ValueError
        Names what was given, what is allowed and, for a misspelt name, the nearest valid one.
    """
    for name, value in parameters.items():
        if not TABLE[name].allowed.allows(value):
            raise ValueError(complaint(name, value, TABLE[name].allowed))
    _check_lengths(parameters)
    _check_monitor(parameters["monitor"])
    _check_combinations(parameters)
    _check_callbacks(parameters["callbacks"] or ())
    plain = {name: TABLE[name].allowed.parse(value) for name, value in parameters.items()}
    n_layers = plain["hidden_layers"]
    for name in PER_LAYER:
        if not isinstance(plain[name], tuple):
            plain[name] = (plain[name],) * (n_layers + (name == "weight_init"))
    if len(plain["weight_init"]) == n_layers:
        plain["weight_init"] += ("auto",)
    return plain


def _check_lengths(parameters: Mapping[str, Any]) -> None:
    n_layers = parameters["hidden_layers"]
    for name in PER_LAYER:
        value = parameters[name]
        if not is_sequence(value):
            continue
        lengths = (n_layers, n_layers + 1) if name == "weight_init" else (n_layers,)
        if len(value) not in lengths:
            raise ValueError(
                f"{name}={value!r} is of length {len(value)}, but hidden_layers={n_layers}: give "
                f"one value for all layers, or {' or '.join(map(str, lengths))} values."
            )


def _check_monitor(monitor: str) -> None:
    known = [*MEASURED, *get_scorer_names()]
    if monitor not in known:
        near = difflib.get_close_matches(monitor, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"monitor={monitor!r} is not valid: monitor must be 'valid_loss', 'valid_accuracy' or "
            f"the name of a scikit-learn scorer (sklearn.metrics.get_scorer_names()).{hint}"
        )


def _check_combinations(parameters: Mapping[str, Any]) -> None:
    if parameters["nesterov"] and parameters["optimizer"] != "sgd":
        raise ValueError(
            f"nesterov=True works with optimizer='sgd' alone, but "
            f"optimizer={parameters['optimizer']!r}: set nesterov=False, or use 'nadam'."
        )
    if parameters["nesterov"] and parameters["momentum"] == 0:
        raise ValueError(
            "nesterov=True needs momentum, but momentum=0: set momentum above 0, or nesterov=False."
        )
    units = parameters["hidden_units"]
    if (
        parameters["residual"]
        and is_sequence(units)
        and len(units) > 1
        and not any(below == above for below, above in pairwise(units))
    ):
        raise ValueError(
            f"residual=True adds a layer's input to its output where their widths are equal, but "
            f"hidden_units={units!r} has no two equal neighbours: use equal widths, or "
            "residual=False."
        )


def _check_callbacks(callbacks: Any) -> None:
    """Reject callbacks of skorch that could not do what they are for."""
    for entry in callbacks:
        callback = entry[-1] if isinstance(entry, tuple) else entry
        kind = callback if isinstance(callback, type) else type(callback)
        for useless, advice in _USELESS_CALLBACKS.items():
            if issubclass(kind, useless):
                raise ValueError(
                    f"callbacks has {kind.__name__}, which has no effect here, as the updates are "
                    f"not made by a torch optimizer: leave it out{advice}."
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


def validation_size(encoded: np.ndarray, classes: np.ndarray, fraction: float) -> int:
    """Return how many samples to hold out: the share asked for, but one of each class at least.

    Raises
    ------
    ValueError
        If a class is too small to be in both parts.
    """
    counts = np.bincount(encoded, minlength=len(classes))
    smallest = int(counts.argmin())
    if counts[smallest] < 2:
        raise ValueError(
            f"Class {listed(classes[[smallest]])} has {counts[smallest]} sample, too few to be in "
            "both the training and the validation part: give X_val and y_val to fit, set "
            "early_stopping=False, or leave out the class."
        )
    wanted = int(np.ceil(fraction * len(encoded)))
    return min(max(wanted, len(classes)), len(encoded) - len(classes))
