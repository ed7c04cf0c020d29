"""How the score grows with the number of layers, and when growing ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sknethp.model_selection.noise import standard_error


@dataclass(frozen=True)
class Depth:
    """The best network of a depth.

    Attributes
    ----------
    n_layers : int
    index : int
        Its position among all candidates.
    mean, error : float
        Mean of the folds' scores, and its standard error; NaN where all candidates failed.
    improved : bool
        Whether it is better than the last depth that improved by more than that one's error.
    """

    n_layers: int
    index: int
    mean: float
    error: float
    improved: bool


def curve(depths: Sequence[int], scores: np.ndarray) -> list[Depth]:
    """Find the best candidate of every depth, up to the first depth where all failed.

    Parameters
    ----------
    depths : sequence of int of shape (n_candidates,)
        Ascending.
    scores : ndarray of shape (n_candidates, n_splits)
        Of the folds.

    Returns
    -------
    list of Depth
        The last that improved is the best: none with more layers is better by more than its
        standard error.

    References
    ----------
    Breiman et al. (1984), Classification and regression trees, section 3.4.3, for the rule of
    one standard error.
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


def ended(found: Sequence[Depth], patience: int) -> int | None:
    """Say how many depths there are up to the end of growing.

    Parameters
    ----------
    found : sequence of Depth
    patience : int
        Depths without an improvement after which growing ends.

    Returns
    -------
    int or None
        None where it has not ended.
    """
    in_vain = 0
    for count, depth in enumerate(found, start=1):
        in_vain = 0 if depth.improved else in_vain + 1
        if in_vain == patience:
            return count
    return None
