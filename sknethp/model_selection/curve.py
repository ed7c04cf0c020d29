"""How the score grows with the number of layers, and when growing ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknethp.model_selection.significance import standard_error


@dataclass(frozen=True)
class Depth:
    """The best candidate of a depth, at `index` among all, and whether the depth improved."""

    n_layers: int
    index: int
    mean: float
    error: float
    improved: bool

    def described(self, **more: Any) -> dict[str, Any]:
        """Return a row of a search's ``growth_``."""
        return {
            "n_layers": self.n_layers,
            "mean": self.mean,
            "standard_error": self.error,
            **more,
            "improved": self.improved,
        }


def curve(depths: Sequence[int], scores: np.ndarray) -> list[Depth]:
    """Return the best candidate of every depth, up to the first depth where all failed.

    `depths`, (n_candidates,), ascend; `scores` are (n_candidates, n_splits). A depth improves if
    its mean is above that of the last that did by more than that one's standard error.
    """
    means = np.mean(scores, axis=1)
    found: list[Depth] = []
    best: Depth | None = None
    for n_layers in dict.fromkeys(depths):
        at = np.flatnonzero(np.asarray(depths) == n_layers)
        if not np.isfinite(means[at]).any():
            break
        index = int(at[np.nanargmax(means[at])])
        mean, error = float(means[index]), standard_error(scores[index])
        improved = best is None or mean > best.mean + np.nan_to_num(best.error)
        found.append(Depth(n_layers, index, mean, error, bool(improved)))
        best = found[-1] if improved else best
    return found


def ended(depths: Sequence[Depth], patience: int) -> int | None:
    """Return the number of depths up to `patience` in a row without improvement, or None."""
    n_without = 0
    for count, depth in enumerate(depths, start=1):
        n_without = 0 if depth.improved else n_without + 1
        if n_without == patience:
            return count
    return None
