"""Values that "auto" stands for, by the number of training samples (chosen in docs/defaults.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTO = "auto"
_LARGE = 8_000
# With more columns an embedding costs more than it gains.
_MOST_COLUMNS = 128
_SMALL_DATA = {
    "embedding": "periodic",
    "lr": 1e-3,
    "batch_size": 32,
    "max_epochs": 60,
}
_LARGE_DATA = {
    "embedding": "piecewise_linear",
    "lr": 3e-3,
    "batch_size": 256,
    "max_epochs": 30,
}
AUTOMATIC = tuple(_SMALL_DATA)
"""Hyperparameters that may be "auto"."""


def resolve(parameters: Mapping[str, Any], n_samples: int, n_columns: int) -> dict[str, Any]:
    """Replace "auto"; `n_columns` is the number of columns that an embedding would embed."""
    values = dict(_SMALL_DATA if n_samples < _LARGE else _LARGE_DATA)
    if n_columns > _MOST_COLUMNS:
        values["embedding"] = None
    automatic = {name: values[name] for name in AUTOMATIC if parameters[name] == AUTO}
    return {**parameters, **automatic}
