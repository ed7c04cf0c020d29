"""Training curves, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sknethp.classifier import DeepNetClassifier
from sknethp.display.figures import BEST, LEGEND, TRAIN, VALID, new_axes, tidy

_TITLES = {"loss": "cross-entropy", "accuracy": "accuracy"}
_NO_SCORE = ("epoch", "lr", "seconds")


class TrainingDisplay:
    """Loss and accuracy per epoch of one net, or of the same net on several folds.

    Make it with `from_estimator`.

    Parameters
    ----------
    histories : list of list of dict
        For each net a row per epoch, as ``DeepNetClassifier.history_``.
    best_epochs : list of int
        For each net, from 1.

    Attributes
    ----------
    ax_ : ndarray of Axes
        One per score: loss, accuracy, and the monitored one if it is another.
    figure_ : Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.display import TrainingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(early_stopping=True, max_epochs=5, random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(net)
    >>> display.scores
    ['loss', 'accuracy']
    >>> display.curves("loss", "valid").shape
    (1, 5)
    """

    def __init__(self, histories: Sequence[Sequence[Mapping]], best_epochs: Sequence[int]):
        self.histories = [list(history) for history in histories]
        self.best_epochs = list(best_epochs)

    @classmethod
    def from_estimator(cls, estimator: Any) -> TrainingDisplay:
        """Take the histories out of what was fitted.

        Parameters
        ----------
        estimator : estimator, list of estimators or dict
            A fitted DeepNetClassifier or anything that has one inside: a pipeline, a search, an
            ensemble. Or several, one per fold; or what
            ``cross_validate(..., return_estimator=True)`` returns.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            If there is no fitted DeepNetClassifier inside.
        """
        if isinstance(estimator, Mapping):
            if "estimator" not in estimator:
                raise ValueError(
                    "The result of cross_validate has no estimators: call it with "
                    "return_estimator=True."
                )
            estimator = estimator["estimator"]
        several = isinstance(estimator, (list, tuple, np.ndarray))
        nets = [net for each in (estimator if several else [estimator]) for net in _nets(each)]
        if not nets:
            kind = "the list" if several else type(estimator).__name__
            hint = "fit it first"
            if hasattr(estimator, "cv_results_"):
                hint = "a search keeps one only if it refits the best candidate"
            raise ValueError(f"There is no fitted DeepNetClassifier in {kind}: {hint}.")
        return cls([net.history_ for net in nets], [net.best_epoch_ for net in nets])

    @property
    def scores(self) -> list[str]:
        """What was recorded: loss, accuracy, and another score that was monitored."""
        names = dict.fromkeys(name for history in self.histories for name in history[0])
        pairs = [f"{part}_{score}" for part in ("train", "valid") for score in _TITLES]
        return [*_TITLES, *(name for name in names if name not in (*pairs, *_NO_SCORE))]

    def curves(self, score: str, part: str = "train") -> np.ndarray:
        """Return a score per epoch.

        Parameters
        ----------
        score : str
            One of `scores`.
        part : {"train", "valid"}

        Returns
        -------
        ndarray of shape (n_nets, n_epochs)
            NaN after a net's last epoch, and where the score was not recorded.
        """
        name = f"{part}_{score}" if score in _TITLES else score if part == "valid" else ""
        curves = np.full((len(self.histories), max(map(len, self.histories))), np.nan)
        for curve, history in zip(curves, self.histories, strict=True):
            curve[: len(history)] = [row.get(name, np.nan) for row in history]
        return curves

    def plot(self, ax: Any = None) -> TrainingDisplay:
        """Draw a panel per score.

        With several nets, a thin line for each and a bold one for the mean of those still in
        training. The best epochs are marked.

        Parameters
        ----------
        ax : sequence of Axes or None
            One per score; None for a new figure.

        Returns
        -------
        self
        """
        axes = new_axes(ax, len(self.scores), size=(4.8, 3.4))
        for panel, score in zip(axes, self.scores, strict=True):
            self._draw(panel, score)
        if len(self.histories) > 1 or np.isfinite(self.curves("loss", "valid")).any():
            axes[0].legend(**LEGEND)
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _draw(self, ax: Any, score: str) -> None:
        epochs = np.arange(1, max(map(len, self.histories)) + 1)
        drawn = []
        for part, color, label in (("train", TRAIN, "training"), ("valid", VALID, "validation")):
            curves = self.curves(score, part)
            if not np.isfinite(curves).any():
                continue
            drawn.append(curves)
            several = len(curves) > 1
            for curve in curves if several else ():
                ax.plot(epochs, curve, color=color, alpha=0.35, linewidth=0.9)
            mean = np.ma.masked_invalid(curves).mean(axis=0).filled(np.nan)
            marker = "o" if len(epochs) == 1 else None
            label = f"{label}, mean of {len(curves)}" if several else label
            ax.plot(epochs, mean, color=color, linewidth=2, label=label, marker=marker)
        # Each net's best epoch is marked on its curve, with a line where there is only one net.
        at = np.array(self.best_epochs)
        is_one = len(at) == 1
        if is_one:
            ax.axvline(at[0], color=BEST, linewidth=1, alpha=0.7, zorder=1)
        heights = drawn[-1][np.arange(len(at)), at - 1]
        label, size = (f"best epoch, {at[0]}", 46) if is_one else ("best epochs", 24)
        ax.scatter(at, heights, size, BEST, label=label, zorder=5, edgecolor="white", linewidth=0.8)
        ax.xaxis.get_major_locator().set_params(integer=True)
        tidy(ax, x="epoch", title=_TITLES.get(score, score))


def _nets(fitted: Any) -> Iterator[DeepNetClassifier]:
    """Find the fitted nets inside an estimator, among its fitted parts only."""
    if isinstance(fitted, DeepNetClassifier):
        if hasattr(fitted, "history_"):
            yield fitted
    elif isinstance(fitted, (list, tuple)):
        for part in fitted:
            yield from _nets(part)
    elif type(fitted).__name__ in ("FrozenEstimator", "_CalibratedClassifier"):
        yield from _nets(fitted.estimator)
    elif isinstance(fitted, BaseEstimator):
        if hasattr(fitted, "steps"):  # a pipeline fits the steps it was given
            yield from _nets([step for _, step in fitted.steps])
            return
        for name, value in vars(fitted).items():
            if name.endswith("_") and isinstance(value, (BaseEstimator, list, tuple)):
                yield from _nets(value)
