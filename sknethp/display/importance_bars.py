"""How much each hyperparameter mattered, as bars."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknethp.display.figures import FRAME, INK, SCORE, new_axes, tidy
from sknethp.display.importance import Importance, Method, hyperparameter_importance
from sknethp.hyperparameters.constraints import COUNT, check_allowed
from sknethp.model_selection.estimators import short_names

_RELIABLE = 0.25


class ImportanceDisplay:
    """Bars of how much each hyperparameter matters.

    Make it with `from_search`.

    Parameters
    ----------
    importance : Importance

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    """

    def __init__(self, importance: Importance):
        self.importance = importance

    @classmethod
    def from_search(cls, search: Any, method: Method = "fanova", **options: Any) -> Any:
        """Compute the importances.

        Parameters
        ----------
        search : fitted search or mapping
        method : {"fanova", "permutation"}
        **options : dict of str to object
            As in `hyperparameter_importance`.

        Returns
        -------
        ImportanceDisplay

        Raises
        ------
        ValueError
            If there are too few candidates with a score, or nothing was varied.
        """
        return cls(hyperparameter_importance(search, method, **options))

    def plot(self, ax: Any = None, *, most: int = 15) -> ImportanceDisplay:
        """Draw a bar for each hyperparameter, and for pairs of them where these are known.

        Parameters
        ----------
        ax : Axes or None
        most : int
            Bars at most, the longest.

        Returns
        -------
        self
        """
        check_allowed("most", most, COUNT)
        bars = self._bars()[:most]
        longest = max(len(name) for name, _, _ in bars)
        axes = new_axes(ax, 1, size=(max(5.6, 3.6 + 0.075 * longest), 1.3 + 0.3 * len(bars)))
        self._draw(axes[0], bars)
        self.ax_, self.figure_ = axes[0], axes[0].figure
        return self

    def _bars(self) -> list[tuple[str, float, float]]:
        """Return labels, lengths and spreads, the longest first."""
        mean, spread, pairs = self.importance.mean, self.importance.spread, self.importance.pairs
        short = short_names(mean)
        bars = [(short[name], mean[name], spread[name]) for name in mean]
        bars += [(f"{short[a]} × {short[b]}", share, 0.0) for (a, b), share in pairs.items()]
        return sorted(bars, key=lambda bar: -bar[1])

    def _draw(self, ax: Any, bars: list[tuple[str, float, float]]) -> None:
        labels, lengths, spreads = zip(*bars, strict=True)
        heights = np.arange(len(bars))
        # A share is never negative, and that of a variance never above one, whatever its deviation.
        largest = 1.0 if self.importance.method == "fanova" else np.inf
        below = np.minimum(spreads, np.maximum(0.0, lengths))
        above = np.minimum(spreads, np.maximum(0.0, largest - np.array(lengths)))
        ax.barh(
            heights, lengths, 0.62, color=SCORE, xerr=[below, above],
            error_kw={"ecolor": FRAME, "elinewidth": 1.2},
        )  # fmt: skip
        ends = lengths + above
        for height, length, end in zip(heights, lengths, ends, strict=True):
            ax.annotate(
                f"{length:.2f}", (max(0.0, end), height), (5, 0), va="center",
                textcoords="offset points", color=INK, fontsize=9,
            )  # fmt: skip
        ax.set_yticks(heights, labels)
        ax.invert_yaxis()
        ax.set_xlim(min(0.0, *lengths), 1.12 * (ends.max() or 1.0))
        what = "by itself" if self.importance.method == "fanova" else "with others"
        r2 = self.importance.r2
        title = f"A forest predicts held-out candidates\nwith R² = {r2:.2f}"
        doubt = "" if r2 >= _RELIABLE else ", too little to rely on"
        ax.set_title(title + doubt, loc="left", fontsize=10, color=INK)
        tidy(ax, x=f"share of the scores' variance, {what}", grid="x")
