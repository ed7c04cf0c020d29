"""The score by number of hidden layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sknethp.display.candidates import candidates_of
from sknethp.display.figures import (
    BEST,
    FAINT,
    SCORE,
    apart,
    mark_best,
    mark_failed,
    new_axes,
    put_legend,
    tidy,
)
from sknethp.display.scales import UNSET
from sknethp.hyperparameters import last_part
from sknethp.model_selection.curve import curve


class LayerGrowthDisplay:
    """Score of the best candidate of each number of hidden layers.

    Make it with `from_search`.

    Parameters
    ----------
    growth : list of dict
        For each depth ``n_layers``, ``mean`` and ``standard_error`` of the test scores of its
        best candidate, and ``improved``: whether it beats the last improvement by more than
        that one's standard error. As ``LayerGrowthSearchCV.growth_``.
    depths : ndarray of int of shape (n_candidates,)
        Of every candidate.
    scores : ndarray of shape (n_candidates,)
        Means over the folds; NaN for failed candidates.
    metric : str

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure

    References
    ----------
    Breiman et al. (1984), Classification and regression trees, for the rule of one standard
    error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.display import LayerGrowthDisplay
    >>> from sknethp.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=5, lr=0.01, random_state=0)
    >>> search = GridSearchCV(net, {"hidden_layers": [0, 1, 2]}, cv=3).fit(X, y)
    >>> display = LayerGrowthDisplay.from_search(search)
    >>> [depth["n_layers"] for depth in display.growth]
    [0, 1, 2]
    """

    def __init__(
        self,
        growth: Sequence[Mapping[str, Any]],
        depths: np.ndarray,
        scores: np.ndarray,
        metric: str = "score",
    ):
        self.growth = list(growth)
        self.depths = np.asarray(depths, dtype=int)
        self.scores = np.asarray(scores, dtype=float)
        self.metric = metric

    @classmethod
    def from_search(cls, search: Any, *, metric: str | None = None) -> LayerGrowthDisplay:
        """Read the results of a search.

        Parameters
        ----------
        search : fitted search or mapping
            A LayerGrowthSearchCV; or any search, or its ``cv_results_``, in which the number of
            hidden layers is among the hyperparameters.
        metric : str or None
            Which of several scores; None for the one that the search refits by.

        Returns
        -------
        LayerGrowthDisplay

        Raises
        ------
        ValueError
            If the search was not fitted, has no number of hidden layers, or all of it failed.
        """
        candidates = candidates_of(search, metric)
        names = [name for name in candidates.values if last_part(name) == "hidden_layers"]
        if not names:
            raise ValueError(
                "The number of hidden layers, hidden_layers, is not among what was searched: "
                f"{', '.join(candidates.values) or 'nothing'}."
            )
        layers = candidates.values[names[0]]
        kept = [i for i, value in enumerate(layers) if value is not UNSET]
        depths, scores = np.array([layers[i] for i in kept], dtype=int), candidates.scores[kept]
        growth = getattr(search, "growth_", None)
        if growth is None or candidates.metric != candidates_of(search).metric:
            growth = _growth(depths, scores)
        return cls(growth, depths, scores.mean(axis=1), candidates.metric)

    @property
    def best_n_layers(self) -> int:
        """The last depth that was an improvement."""
        return [depth["n_layers"] for depth in self.growth if depth["improved"]][-1]

    def plot(self, ax: Any = None) -> LayerGrowthDisplay:
        """Draw the best score of each depth with its standard error, and the score to beat.

        Parameters
        ----------
        ax : Axes or None

        Returns
        -------
        self
        """
        axes = new_axes(ax, 1, size=(5.6, 3.8))
        self._draw(axes[0])
        put_legend(axes, ax)
        self.ax_, self.figure_ = axes[0], axes[0].figure
        return self

    def _draw(self, ax: Any) -> None:
        n_layers = np.array([depth["n_layers"] for depth in self.growth])
        mean = np.array([depth["mean"] for depth in self.growth])
        error = np.nan_to_num([depth["standard_error"] for depth in self.growth])
        at = int(np.flatnonzero(n_layers == self.best_n_layers)[0])
        failed = ~np.isfinite(self.scores)
        if len(self.scores) > len(self.growth):
            x = apart(self.depths, 0.3)
            ax.scatter(
                x[~failed], self.scores[~failed], 14, FAINT, linewidth=0, label="a candidate"
            )
        right = max(n_layers.max(), self.depths.max()) + 0.4
        ax.fill_between(
            [n_layers[at], right], mean[at], mean[at] + error[at], color=BEST, alpha=0.16,
            linewidth=0, label="one standard error, to beat",
        )  # fmt: skip
        ax.errorbar(
            n_layers, mean, error, color=SCORE, linewidth=2, elinewidth=1.2, capsize=3, marker="o",
            markersize=6, markeredgecolor="white", label="best candidate of a depth", zorder=3,
        )  # fmt: skip
        label = f"chosen: {n_layers[at]} hidden layer{'' if n_layers[at] == 1 else 's'}"
        mark_best(ax, n_layers[at], mean[at], 190, label)
        mark_failed(ax, self.depths[failed])
        ax.set_xticks(np.unique([*n_layers, *self.depths]))
        ax.set_xlim(min(n_layers.min(), self.depths.min()) - 0.4, right)
        tidy(ax, x="hidden layers", y=f"test {self.metric}")


def _growth(depths: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Return the curve of candidates in any order."""
    order = np.argsort(depths, kind="stable")
    failed = [n for n in np.unique(depths) if not np.isfinite(scores[depths == n].mean(1)).any()]
    order = order[~np.isin(depths[order], failed)]  # a failed depth does not hide the others
    if not len(order):
        raise ValueError("All candidates of the search failed: there is nothing to show.")
    return [depth.described() for depth in curve(depths[order].tolist(), scores[order])]
