"""Values that "auto" stands for, by the number of training samples (chosen in docs/defaults.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTO = "auto"
# With more columns an embedding costs more than it gains.
_MOST_COLUMNS = 128
_ENOUGH_FOR_BINS = 1_500
_LARGE = 8_000


def resolve(parameters: Mapping[str, Any], n_samples: int, n_columns: int) -> dict[str, Any]:
    """Replace "auto"; `n_columns` is the number of columns that an embedding would embed."""
    large = n_samples >= _LARGE
    values: dict[str, Any] = {
        "embedding": "both" if n_samples >= _ENOUGH_FOR_BINS else "periodic",
        "lr": 3e-3 if large else 1e-3,
        "batch_size": 256 if large else 32,
        "max_epochs": 30 if large else 60,
    }
    if n_columns > _MOST_COLUMNS:
        values["embedding"] = None
    automatic = {name: value for name, value in values.items() if parameters[name] == AUTO}
    return {**parameters, **automatic}
