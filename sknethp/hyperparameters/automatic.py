"""Values that "auto" stands for, by the number of training samples (chosen in docs/defaults.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

AUTO = "auto"
# With more columns an embedding takes several times as long as the rest of the net.
_MOST_COLUMNS = 100
# The largest number of samples that a set of values is for, and the values.
_BY_SAMPLES: tuple[tuple[float, dict[str, Any]], ...] = (
    (
        999,
        {"embedding": "periodic", "embedding_bins": 8}
        | {"lr": 1e-3, "batch_size": 32, "label_smoothing": 0.05},
    ),
    (
        2_499,
        {"embedding": "both", "embedding_bins": 16}
        | {"lr": 1.5e-3, "batch_size": 128, "label_smoothing": 0.02},
    ),
    (
        7_999,
        {"embedding": "both", "embedding_bins": 16}
        | {"lr": 3e-3, "batch_size": 128, "label_smoothing": 0.02},
    ),
    (
        math.inf,
        {"embedding": "both", "embedding_bins": 32}
        | {"lr": 3e-3, "batch_size": 256, "label_smoothing": 0.02},
    ),
)
AUTOMATIC = tuple(_BY_SAMPLES[0][1])


def by_samples(n_samples: int) -> dict[str, Any]:
    """Return what "auto" stands for."""
    return dict(next(values for most, values in _BY_SAMPLES if n_samples <= most))


def resolve(parameters: Mapping[str, Any], n_samples: int, n_columns: int) -> dict[str, Any]:
    """Replace "auto"; `n_columns` is the number of columns that an embedding would embed."""
    values = by_samples(n_samples)
    if n_columns > _MOST_COLUMNS:
        values["embedding"] = None
    automatic = {name: value for name, value in values.items() if parameters[name] == AUTO}
    return {**parameters, **automatic}
