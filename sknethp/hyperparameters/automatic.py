"""Values that "auto" stands for, by the number of training samples (chosen in docs/defaults.md)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

AUTO = "auto"
# With more columns an embedding takes several times as long as the rest of the net.
_MOST_COLUMNS = 100
# The largest numbers of samples that the first, second … value is for; the last is for more.
_MOST_SAMPLES = (999, 2_499, 7_999)
_VALUES: dict[str, tuple[Any, ...]] = {
    "embedding": ("periodic", "both", "both", "both"),
    "embedding_bins": (8, 16, 16, 32),
    "lr": (1e-3, 1.5e-3, 3e-3, 3e-3),
    "batch_size": (32, 128, 128, 256),
    "label_smoothing": (0.05, 0.02, 0.02, 0.02),
}
AUTOMATIC = tuple(_VALUES)


def by_samples(n_samples: int) -> dict[str, Any]:
    """Return what "auto" stands for."""
    size = bisect_left(_MOST_SAMPLES, n_samples)
    return {name: values[size] for name, values in _VALUES.items()}


def resolve(parameters: Mapping[str, Any], n_samples: int, n_columns: int) -> dict[str, Any]:
    """Replace "auto"; `n_columns` is the number of columns that an embedding would embed."""
    values = by_samples(n_samples)
    if n_columns > _MOST_COLUMNS:
        values["embedding"] = None
    automatic = {name: value for name, value in values.items() if parameters[name] == AUTO}
    return {**parameters, **automatic}
