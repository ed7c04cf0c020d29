"""What tasks are about, guessed from their arguments, for display only.

Training and results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sknethp.hyperparameters import last_part

Call = tuple[Callable, tuple, dict]


def _calls(function: Callable[[], Any] | None) -> list[Call]:
    """Return the calls in a joblib batch, or none for any other function."""
    return list(getattr(function, "items", ()))


def _parameters(call: Call) -> dict[str, Any]:
    """Return the parameters of the estimators in a call, and those to be set on them."""
    function, args, kwargs = call
    arguments = [getattr(function, "__self__", None), *args, *kwargs.values()]
    parameters: dict[str, Any] = {}
    for argument in arguments:
        if hasattr(argument, "get_params") and not isinstance(argument, type):
            parameters |= argument.get_params()
    for argument in arguments:
        if isinstance(argument, dict):
            parameters |= {name: value for name, value in argument.items() if name in parameters}
    return parameters


def expected_epochs(function: Callable[[], Any] | None) -> int | None:
    """Return how many epochs a task trains unless it stops early, or None if that is unknown."""
    total = 0
    for call in _calls(function):
        numbers = [
            value
            for name, value in _parameters(call).items()
            if last_part(name) == "max_epochs" and isinstance(value, (int, np.integer))
        ]
        total += max(numbers, default=0)
    return int(total) or None


def candidate(function: Callable[[], Any]) -> dict | None:
    """Return the parameters that a search tries in a task: the same object for all its folds."""
    for _, _, kwargs in _calls(function):
        parameters = kwargs.get("parameters")
        if isinstance(parameters, dict):
            return parameters
    return None


def score(result: Any) -> float | None:
    """Return the test score in the result of a search's task, if there is exactly one."""
    first = result[0] if isinstance(result, list) and result else None
    scores = first.get("test_scores") if isinstance(first, dict) else None
    if isinstance(scores, (float, int, np.floating)) and np.isfinite(scores):
        return float(scores)
    return None
