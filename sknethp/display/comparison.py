"""Models compared: scores per fold, score against time, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sknethp.display.figures import BEST, FAINT, FRAME, INK, LEGEND, new_axes, tidy

# Okabe & Ito's colours, which the colour-blind can tell apart, and a mark each.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#8C6D31")
_MARKS = "osD^vPX*"
_N_BINS = 10
_FEWEST_IN_BIN = 5
_MOST_SPREAD = 15.0  # times the best model's over folds, or the median's distance from it


class ComparisonDisplay:
    """Scores per fold, score against time, and calibration of models.

    Make it with `from_comparison`.

    Parameters
    ----------
    metric : str
    scores : dict of str to ndarray of shape (n_folds,)
        By model, the best first.
    seconds : dict of str to float
        Mean seconds of a fit.
    calibration : dict of str to ndarray of shape (n_bins, 2)
        Mean confidence in the predicted class, and the share of predictions that are right; of as
        many rows in each bin. Empty without held-out predictions.

    Attributes
    ----------
    ax_ : ndarray of Axes
        Scores, time, calibration.
    figure_ : Figure

    Examples
    --------
    >>> from sknethp.display.comparison import ComparisonDisplay
    >>> display = ComparisonDisplay(
    ...     "accuracy", {"slow": [0.9, 0.8], "fast": [0.8, 0.8]}, {"slow": 9.0, "fast": 1.0}, {}
    ... )
    >>> display.front
    ['fast', 'slow']
    """

    def __init__(
        self,
        metric: str,
        scores: Mapping[str, Any],
        seconds: Mapping[str, float],
        calibration: Mapping[str, np.ndarray],
    ):
        self.metric = metric
        self.scores = {model: np.asarray(each, dtype=float) for model, each in scores.items()}
        self.seconds, self.calibration = dict(seconds), dict(calibration)

    @classmethod
    def from_comparison(cls, comparison: Any, metric: str | None = None) -> ComparisonDisplay:
        """Take out of a comparison what is drawn.

        Parameters
        ----------
        comparison : Comparison
        metric : str or None
            None for the one that decides.

        Returns
        -------
        ComparisonDisplay
        """
        scores = comparison.fold_scores(metric)
        seconds = comparison.fold_scores("fit_seconds")
        held_out, curves = comparison.held_out_, {}
        if held_out is not None:
            for model, own in held_out.groupby("model"):
                columns = [name for name in own if str(name).startswith("proba_")]
                is_right = (own["label"] == own["predicted"]).to_numpy(float)
                curves[model] = reliability(own[columns].to_numpy(float).max(axis=1), is_right)
        order = [model for model in comparison.models_ if np.isfinite(scores[model]).any()]
        order.sort(key=lambda model: -np.nanmean(scores[model]))
        return cls(
            metric or comparison.metrics_[0],
            {model: scores[model] for model in order},
            {model: float(np.nanmean(seconds[model])) for model in order},
            {model: curves[model] for model in order if model in curves},
        )

    @property
    def front(self) -> list[str]:
        """Models for which no other one is both faster and better, the fastest first.

        One that failed on a fold has no mean to compare, and is not among them.
        """
        means = {m: mean for m, mean in self._means.items() if np.isfinite(self.scores[m]).all()}
        front: list[str] = []
        for model in sorted(means, key=lambda m: (self.seconds[m], -means[m])):
            if not front or means[model] > means[front[-1]]:
                front.append(model)
        return front

    def plot(self, ax: Any = None) -> ComparisonDisplay:
        """Draw the three panels.

        Parameters
        ----------
        ax : sequence of three Axes or None
            None for a new figure.

        Returns
        -------
        self
        """
        axes = new_axes(ax, 3, size=(4.6, 3.9))
        self._draw_scores(axes[0])
        self._draw_time(axes[1])
        self._draw_calibration(axes[2])
        if ax is None:
            handles, labels = axes[1].get_legend_handles_labels()
            axes[0].figure.legend(
                handles, labels, loc="outside lower center", ncols=min(len(labels), 6), **LEGEND
            )
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    @property
    def _means(self) -> dict[str, float]:
        return {model: float(np.nanmean(scores)) for model, scores in self.scores.items()}

    @property
    def _off(self) -> dict[str, float]:
        """Means so far below the others that these could not be told apart beside them."""
        means = self._means
        high, middle = max(means.values()), float(np.median(list(means.values())))
        best = self.scores[max(means, key=lambda model: means[model])]
        spread = max(high - middle, float(np.nanmax(best) - np.nanmin(best)))
        floor = high - _MOST_SPREAD * spread
        return {m: mean for m, mean in means.items() if spread and mean < floor}

    def _look(self, model: str) -> dict[str, Any]:
        i = list(self.scores).index(model)
        return {"color": _COLORS[i % len(_COLORS)], "marker": _MARKS[i % len(_MARKS)]}

    def _draw_scores(self, ax: Any) -> None:
        off = self._off
        for row, (model, scores) in enumerate(self.scores.items()):
            if model in off:
                ax.text(0.02, row, f"◂ off the scale: {off[model]:.3g}", color=INK, fontsize=9,
                        va="center", transform=ax.get_yaxis_transform())  # fmt: skip
                continue
            look, finite = self._look(model), scores[np.isfinite(scores)]
            heights = np.full(len(finite), row)
            ax.scatter(finite, heights, 26, look["color"], marker=look["marker"], alpha=0.65,
                       linewidth=0)  # fmt: skip
            ax.plot([finite.mean()] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=2)
        shown = [scores for model, scores in self.scores.items() if model not in off]
        for fold in np.array(shown).T:  # so that folds can be followed
            ax.plot(fold, np.arange(len(fold)), color=FAINT, linewidth=0.6, zorder=1)
        ax.set_yticks(range(len(self.scores)), list(self.scores))
        ax.set_ylim(len(self.scores) - 0.5, -0.5)
        ax.xaxis.get_major_locator().set_params(nbins=5)
        tidy(ax, x=self.metric, title="each fold, and the mean", grid="x")

    def _draw_time(self, ax: Any) -> None:
        off, means = self._off, self._means
        front = [model for model in self.front if model not in off]
        x, y = [self.seconds[m] for m in front], [means[m] for m in front]
        ax.plot(x, y, drawstyle="steps-post", color=BEST, linewidth=1.5, label="Pareto front")
        for model, mean in means.items():
            look = self._look(model)
            at_bottom: dict[str, Any] = {}
            if model in off:
                mean, at_bottom = 0.03, {"transform": ax.get_xaxis_transform(), "alpha": 0.4}
            ax.scatter(self.seconds[model], mean, 58, look["color"], marker=look["marker"],
                       label=model, edgecolor="white", linewidth=0.8, zorder=4,
                       **at_bottom)  # fmt: skip
        ax.set_xscale("log")
        low, high = min(self.seconds.values()), max(self.seconds.values())
        ax.set_xlim(low / 2, high * 2)
        ticks = [t for e in range(-4, 6) for t in (10.0**e, 3 * 10.0**e) if low / 2 < t < high * 2]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.margins(y=0.1)
        tidy(ax, x="seconds for a fit", y=self.metric, title="score against time", grid="both")

    def _draw_calibration(self, ax: Any) -> None:
        ax.plot([0, 1], [0, 1], color=FRAME, linewidth=1, linestyle="--", zorder=1)
        for model, curve in self.calibration.items():
            ax.plot(*curve.T, markersize=4.5, linewidth=1.3, **self._look(model))
        lowest = [curve.min() for curve in self.calibration.values() if len(curve)]
        low = max(0.0, min(lowest, default=0.0) - 0.05)
        ax.set(xlim=(low, 1.02), ylim=(low, 1.02))
        if not self.calibration:
            ax.text(0.5, 0.5, "no held-out predictions", ha="center", color=INK)
        tidy(ax, x="confidence in the predicted class", y="share that is right",
             title="calibration", grid="both")  # fmt: skip


def reliability(confidence: np.ndarray, is_right: np.ndarray) -> np.ndarray:
    """Return mean confidence and share of right predictions in bins of equally many rows.

    Both arguments are ``(n_rows,)``, and what is returned ``(n_bins, 2)``.
    """
    bins = equal_bins(confidence, _FEWEST_IN_BIN)
    return np.array([(confidence[rows].mean(), is_right[rows].mean()) for rows in bins])


def equal_bins(values: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Divide positions of values into at most ten bins of equally many, the lowest values first.

    There are at least `fewest` in a bin, if there are as many at all.
    """
    n_bins = max(1, min(_N_BINS, len(values) // fewest))
    return np.array_split(np.argsort(values, kind="stable"), n_bins)
