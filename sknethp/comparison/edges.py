"""Whether the best candidate of a search lies at the edge of where was searched."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from sknethp.hyperparameters import last_part
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.searched import searched_spaces

# Share of a range that counts as its edge.
_SHARE = 0.05
_FEWEST_VALUES = 3


def at_edge(fitted: Any) -> list[str]:
    """Say which of the best hyperparameters are at the edge, such as "lr high"."""
    best = getattr(fitted, "best_params_", None) or {}
    spaces = searched_spaces(fitted) if best else []
    found = []
    for name, value in best.items():
        bounds = [bound for space in spaces if (bound := _bounds(space.get(name)))]
        if not bounds or not _is_number(value):
            continue
        side = _side(float(value), min(b[0] for b in bounds), max(b[1] for b in bounds))
        if side:
            found.append(f"{last_part(name)} {side}")
    return found


def _bounds(domain: Any) -> tuple[float, float] | None:
    """Return the lowest and highest of a range, or of three values or more."""
    if hasattr(domain, "categories"):  # a dimension of scikit-optimize, whose bounds are all values
        domain = domain.categories
    if hasattr(domain, "bounds"):  # another dimension of it
        low, high = domain.bounds
        return (float(low), float(high)) if _is_number(low) else None
    if hasattr(domain, "support"):
        low, high = domain.support()
        is_finite = math.isfinite(low) and math.isfinite(high)
        return (float(low), float(high)) if is_finite else None
    if isinstance(domain, (list, tuple, np.ndarray)):
        numbers = [float(value) for value in domain if _is_number(value)]
        is_range = len(set(numbers)) >= _FEWEST_VALUES and len(numbers) == len(domain)
        return (min(numbers), max(numbers)) if is_range else None
    return None


def _side(value: float, low: float, high: float) -> str:
    """Return "low", "high" or nothing; a range of a decade or more is seen by its logarithm.

    The least possible of many hyperparameters, 0, 1 or 2, is no edge.
    """
    if low >= high or not low <= value <= high:
        return ""
    is_natural = low in (0, 1, 2)
    if 0 < 10 * low <= high:
        value, low, high = math.log(value), math.log(low), math.log(high)
    share = (value - low) / (high - low)
    if share < _SHARE:
        return "" if is_natural else "low"
    return "high" if share > 1 - _SHARE else ""


def _is_number(value: Any) -> bool:
    return isinstance(as_python(value), Real) and not isinstance(as_python(value), bool)
