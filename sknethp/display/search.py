"""Plots of a search's candidates: by hyperparameter, by pairs of them, and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from sknethp.display.candidates import Candidates, candidates_of
from sknethp.display.convergence import draw_convergence
from sknethp.display.figures import (
    FAINT,
    INK,
    SCORE,
    apart,
    limits_of,
    mark_best,
    new_axes,
    put_legend,
    put_ticks,
    set_floor,
    tidy,
)
from sknethp.display.heat_map import draw_heat_map
from sknethp.display.parallel import draw_parallel_coordinates
from sknethp.display.scales import UNSET, Scale

Against = Literal["candidates", "seconds"]


class SearchDisplay:
    """Scores of a search's candidates against their hyperparameters and against its progress.

    Make it with `from_search`. Candidates that failed have no score; every plot marks them.

    Parameters
    ----------
    candidates : Candidates
        Plain data: values, scores of the folds, seconds.

    Attributes
    ----------
    ax_ : Axes or ndarray of Axes
        Of the last plot.
    figure_ : Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.display import SearchDisplay
    >>> from sknethp.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=2, random_state=0)
    >>> search = GridSearchCV(net, {"lr": [1e-3, 1e-2], "dropout": [0.0, 0.3]}, cv=3).fit(X, y)
    >>> display = SearchDisplay.from_search(search)
    >>> display.candidates.values["dropout"], display.candidates.scores.shape
    ([0.0, 0.0, 0.3, 0.3], (4, 3))
    """

    def __init__(self, candidates: Candidates):
        self.candidates = candidates

    @classmethod
    def from_search(
        cls, search: Any, *, metric: str | None = None, seconds: float | None = None
    ) -> SearchDisplay:
        """Read the results of a search.

        Parameters
        ----------
        search : fitted search or mapping
            Anything with ``cv_results_`` as scikit-learn's searches have it, or these results.
        metric : str or None
            Which of several scores; None for the one that the search refits by.
        seconds : float or None
            The time of the whole search by the clock, for one of scikit-learn's inside
            ``fused()``, which cannot time single fits. The searches of this package know it.

        Returns
        -------
        SearchDisplay

        Raises
        ------
        ValueError
            If the search was not fitted, or did not compute this metric.
        """
        return cls(candidates_of(search, metric, seconds))

    def plot(self, ax: Any = None, *, names: Sequence[str] | None = None) -> SearchDisplay:
        """Draw the score against each hyperparameter.

        A dot is a candidate's mean over the folds, its line one standard deviation up and down.
        Where a hyperparameter has few values, a line joins the medians over each one's candidates.

        Parameters
        ----------
        ax : sequence of Axes or None
            One per hyperparameter; None for a new figure.
        names : sequence of str or None
            Which hyperparameters, with or without prefix; None for those with several values.

        Returns
        -------
        self
        """
        names = self.candidates.chosen(names)
        axes = new_axes(ax, len(names), size=(4.0, 3.0))
        for i, (panel, name) in enumerate(zip(axes, names, strict=True)):
            self._draw(panel, name)
            panel.set_ylabel(self.candidates.score_label if i % 3 == 0 else "", color=INK)
        put_legend(axes, ax)
        return self._keep(axes)

    def plot_heat_map(
        self,
        x: str,
        y: str,
        ax: Any = None,
        *,
        aggregate: Literal["mean", "best"] = "mean",
    ) -> SearchDisplay:
        """Draw the score over two hyperparameters.

        Few values of both give a table of cells, over the candidates of each. Many values give
        the candidates as dots, on a surface smoothed between them.

        Parameters
        ----------
        x, y : str
            Hyperparameters, with or without prefix.
        ax : Axes or None
        aggregate : {"mean", "best"}
            What stands for several candidates of one cell.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name was not searched.
        """
        if aggregate not in ("mean", "best"):
            raise ValueError(f"aggregate={aggregate!r} is not known: give 'mean' or 'best'.")
        names = self.candidates.find(x), self.candidates.find(y)
        axes = new_axes(ax, 1, size=(6.0, 4.4))
        draw_heat_map(axes[0], self.candidates, *names, aggregate)
        put_legend(axes, ax)
        return self._keep(axes)

    def plot_convergence(
        self, ax: Any = None, *, against: Sequence[Against] = ("candidates", "seconds")
    ) -> SearchDisplay:
        """Draw the best score so far.

        Parameters
        ----------
        ax : sequence of Axes or None
            One per entry of `against`; None for a new figure.
        against : sequence of {"candidates", "seconds"}

        Returns
        -------
        self
        """
        if isinstance(against, str) or not against or not set(against) <= set(get_args(Against)):
            raise ValueError(
                f"against={against!r} is not valid: give a list of 'candidates', 'seconds' or both."
            )
        axes = new_axes(ax, len(against), size=(4.8, 3.4))
        for panel, name in zip(axes, against, strict=True):
            draw_convergence(panel, self.candidates, name)
        axes[0].set_ylabel(self.candidates.score_label, color=INK)
        put_legend(axes, ax, "lower right")
        return self._keep(axes)

    def plot_parallel_coordinates(
        self, ax: Any = None, *, names: Sequence[str] | None = None
    ) -> SearchDisplay:
        """Draw each candidate as a line through its values and its score.

        Parameters
        ----------
        ax : Axes or None
        names : sequence of str or None
            Which hyperparameters, in this order; None for those with several values.

        Returns
        -------
        self
        """
        names = self.candidates.chosen(names)
        axes = new_axes(ax, 1, size=(2.6 + 1.7 * len(names), 4.4))
        draw_parallel_coordinates(axes[0], self.candidates, names)
        put_legend(axes, ax)
        return self._keep(axes)

    def _keep(self, axes: np.ndarray) -> SearchDisplay:
        self.ax_ = axes if len(axes) > 1 else axes[0]
        self.figure_ = axes[0].figure
        return self

    def _draw(self, ax: Any, name: str) -> None:
        candidates, scale = self.candidates, self.candidates.scales[name]
        positions, mean, spread = candidates.positions(name), candidates.mean, candidates.spread
        x = apart(positions, 0.5 if scale.kind == "categories" else 0.04)
        good = ~candidates.failed
        crowd = min(1.0, 14 / max(1, good.sum()) ** 0.75 + 0.25)
        ax.errorbar(
            x[good], mean[good], spread[good], fmt="none", ecolor=FAINT, linewidth=1.1, zorder=2,
            alpha=max(0.5, crowd),
        )  # fmt: skip
        isset = np.array([value is not UNSET for value in candidates.values[name]])
        for shown, color in ((good & isset, SCORE), (good & ~isset, FAINT)):
            ax.scatter(x[shown], mean[shown], 20, color, alpha=crowd, linewidth=0, zorder=3)
        _draw_levels(ax, scale, positions, mean)
        if candidates.best is not None:
            mark_best(ax, x[candidates.best], mean[candidates.best], 90)
        set_floor(ax, x, mean, spread)
        put_ticks(ax.xaxis, *scale.ticks(), limits_of(scale))
        ax.set_xlim(limits_of(scale))
        tidy(ax, title=candidates.labels[name])


def _draw_levels(ax: Any, scale: Scale, positions: np.ndarray, mean: np.ndarray) -> None:
    """Mark the medians over the candidates of each value, if there are few values."""
    levels = np.unique(positions[np.isfinite(mean)])
    if scale.is_range or not 1 < len(levels) < len(positions):
        return
    heights = np.array([np.nanmedian(mean[positions == level]) for level in levels])
    label = "median of a value's candidates"
    ax.scatter(levels, heights, 190, INK, marker="_", linewidth=2, zorder=4, label=label)
    numbers = (levels >= 0) & (scale.kind != "categories")
    ax.plot(levels[numbers], heights[numbers], color=INK, linewidth=1, alpha=0.7)
