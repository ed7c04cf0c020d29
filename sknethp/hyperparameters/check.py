"""Checks of hyperparameters that do not depend on the data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sklearn.metrics import get_scorer_names
from skorch.callbacks import InputShapeSetter, LRScheduler, ParamMapper

from sknethp.hyperparameters.constraints import check_allowed, is_sequence
from sknethp.hyperparameters.table import PER_LAYER, TABLE
from sknethp.training.objectives import Objective

# Measured on the validation part during training.
MEASURED = ("valid_loss", *(f"valid_{name}" for name in Objective.score_names))
_USELESS_CALLBACKS: dict[type, str] = {
    LRScheduler: ", and set lr_schedule",
    ParamMapper: "",
    InputShapeSetter: "; the number of features is set by the data",
}


def check_hyperparameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Reject values and combinations that are not allowed; return all in their plain form.

    That is Python numbers, and tuples with one entry per layer.
    """
    changed = {n: value for n, value in parameters.items() if value is not TABLE[n].default}
    for name, value in changed.items():
        check_allowed(name, value, TABLE[name].allowed)
    _check_lengths(parameters)
    _check_monitor(parameters["monitor"])
    _check_combinations(parameters)
    _check_callbacks(parameters["callbacks"] or ())
    plain = {name: TABLE[name].plain_default for name in parameters}
    plain |= {name: TABLE[name].allowed.parse(value) for name, value in changed.items()}
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
                f"{name}={value!r} has length {len(value)}, but hidden_layers={n_layers}: give "
                f"one value for all layers, or {' or '.join(map(str, lengths))} values."
            )


def _check_monitor(monitor: str) -> None:
    valid = [*MEASURED, *get_scorer_names()]
    if monitor not in valid:
        near = difflib.get_close_matches(monitor, valid, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"monitor={monitor!r} is not valid: monitor must be 'valid_loss', 'valid_accuracy' or "
            f"the name of a scikit-learn scorer (sklearn.metrics.get_scorer_names()).{hint}"
        )


def _check_combinations(parameters: Mapping[str, Any]) -> None:
    if parameters["nesterov"] and parameters["optimizer"] != "sgd":
        raise ValueError(
            f"nesterov=True works only with optimizer='sgd', but "
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
    """Reject skorch callbacks that would have no effect."""
    for entry in callbacks:
        callback = entry[-1] if isinstance(entry, tuple) else entry
        kind = callback if isinstance(callback, type) else type(callback)
        for useless, advice in _USELESS_CALLBACKS.items():
            if issubclass(kind, useless):
                raise ValueError(
                    f"callbacks has {kind.__name__}, which has no effect here, as the updates are "
                    f"not made by a torch optimizer: leave it out{advice}."
                )
