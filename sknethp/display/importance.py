"""Which hyperparameters have mattered in a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from sklearn.utils import Bunch

from sknethp.display.candidates import candidates_of
from sknethp.display.figures import INK, SCORE, figure_of, new_axes, tidy
from sknethp.display.surrogate import grown, main_effects, permuted, table_of

Method = Literal["fanova", "permutation"]
_LEAST_CANDIDATES = 6


def hyperparameter_importance(
    search: Any,
    method: Method = "fanova",
    *,
    names: Sequence[str] | None = None,
    metric: str | None = None,
    n_trees: int = 100,
    random_state: int = 0,
) -> Bunch:
    """Estimate how much each hyperparameter has to do with the score.

    A random forest learns the mean test score of the candidates that did not fail. A candidate
    that does not have a hyperparameter counts for the others alone.

    Parameters
    ----------
    search : fitted search or mapping
        Anything with ``cv_results_`` as scikit-learn's searches have it, or these results.
    method : {"fanova", "permutation"}
        Functional analysis of variance: the share of the forest's variance, over all
        combinations of the values that were searched, that a hyperparameter explains by itself.
        Or how much worse each tree predicts the candidates on which it was not grown when the
        hyperparameter's values are mixed up: half of the squared error added, as a share of the
        scores' variance, which is what it explains by itself and together with others.
    names : sequence of str or None
        Which hyperparameters, with or without prefix; None for those with several values.
    metric : str or None
        Which of several scores; None for the one that the search refits by.
    n_trees : int
    random_state : int

    Returns
    -------
    Bunch
        ``names``, most important first; ``importances_mean`` and ``importances_std``,
        ``(n_hyperparameters,)``, over the trees; ``importances``,
        ``(n_hyperparameters, n_trees)``, NaN where a tree can tell nothing; and ``method``.
        With ``"fanova"`` what is missing to 1 in the sum is due to interactions.

    Raises
    ------
    ValueError
        If fewer than six candidates have a score, or an argument is not valid.

    References
    ----------
    Hutter, Hoos & Leyton-Brown (2014), An efficient approach for assessing hyperparameter
    importance, ICML. Breiman (2001), Random forests, Machine Learning 45.

    Examples
    --------
    >>> rates, rest = [0.001, 0.01, 0.1, 1.0], [32, 64]
    >>> params = [{"lr": lr, "batch_size": size} for lr in rates for size in rest]
    >>> scores = [0.6, 0.6, 0.8, 0.8, 0.9, 0.9, 0.7, 0.7]
    >>> found = hyperparameter_importance({"params": params, "mean_test_score": scores})
    >>> found.names
    ['lr', 'batch_size']
    """
    if method not in get_args(Method):
        raise ValueError(f"method={method!r} is not known: give 'fanova' or 'permutation'.")
    candidates = candidates_of(search, metric)
    chosen = candidates.chosen(names)
    table = table_of(candidates, chosen)
    if len(table.scores) < _LEAST_CANDIDATES:
        raise ValueError(
            f"Only {len(table.scores)} candidates have a score, which tells nothing of what "
            f"matters: at least {_LEAST_CANDIDATES} are needed."
        )
    rng = np.random.default_rng(random_state)
    variance, columns = table.scores.var(), []
    for tree, places, left_out in grown(table, n_trees, rng):
        if method == "fanova":
            columns.append(main_effects(tree, table.grids))
        elif variance > 0 and len(left_out) > 1:
            held = places[left_out], table.scores[left_out]
            columns.append(permuted(tree, *held, rng, variance))
        else:
            columns.append(np.full(len(chosen), np.nan))
    return _summarized([candidates.labels[name] for name in chosen], np.array(columns).T, method)


def _summarized(names: list[str], importances: np.ndarray, method: str) -> Bunch:
    """Put the most important first; what no tree can tell has no importance."""
    known = importances[:, np.isfinite(importances).all(axis=0)]
    mean, std = np.zeros(len(names)), np.zeros(len(names))
    if known.shape[1]:
        mean, std = known.mean(axis=1), known.std(axis=1)
    order = np.argsort(-mean, kind="stable")
    return Bunch(
        names=[names[i] for i in order],
        importances_mean=mean[order],
        importances_std=std[order],
        importances=importances[order],
        method=method,
    )


class ImportanceDisplay:
    """Importances of hyperparameters as bars.

    Make it with `from_search`.

    Parameters
    ----------
    names : list of str
        Most important first.
    means, stds : ndarray of shape (n_hyperparameters,)
        Over the trees of a forest.
    method : {"fanova", "permutation"}

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    """

    def __init__(self, names: list[str], means: np.ndarray, stds: np.ndarray, method: str):
        self.names = list(names)
        self.means = np.asarray(means, dtype=float)
        self.stds = np.asarray(stds, dtype=float)
        self.method = method

    @classmethod
    def from_search(
        cls, search: Any, method: Method = "fanova", **options: Any
    ) -> ImportanceDisplay:
        """Estimate the importances.

        Parameters
        ----------
        search : fitted search or mapping
        method : {"fanova", "permutation"}
        **options : object
            As in `hyperparameter_importance`.

        Returns
        -------
        ImportanceDisplay

        Raises
        ------
        ValueError
            As in `hyperparameter_importance`.
        """
        found = hyperparameter_importance(search, method, **options)
        return cls(found.names, found.importances_mean, found.importances_std, method)

    def plot(self, ax: Any = None) -> ImportanceDisplay:
        """Draw a bar per hyperparameter, with its spread over the trees.

        Parameters
        ----------
        ax : Axes or None

        Returns
        -------
        self
        """
        axes = new_axes(ax, 1, size=(5.6, 1.2 + 0.36 * len(self.names)))
        panel = axes[0]
        at = np.arange(len(self.names))
        panel.barh(at, self.means, color=SCORE, height=0.62, zorder=2)
        look = {"fmt": "none", "ecolor": INK, "elinewidth": 1, "zorder": 3}
        low = np.minimum(self.stds, np.maximum(self.means, 0))  # a share is not below zero
        panel.errorbar(self.means, at, xerr=[low, self.stds], **look)
        ends = self.means + self.stds
        for place, end, mean in zip(at, ends, self.means, strict=True):
            panel.annotate(
                f"{mean:.2f}", (max(end, 0), place), (5, 0), textcoords="offset points",
                va="center", fontsize=9, color=INK,
            )  # fmt: skip
        panel.set_yticks(at, self.names)
        panel.invert_yaxis()
        panel.margins(x=0.12)
        panel.axvline(0, color="#9AA5B1", linewidth=1)
        panel.set_xlabel(
            "share of the score's variance, by itself"
            if self.method == "fanova"
            else "share of the score's variance, by itself and with others",
            color=INK,
        )
        tidy(panel, grid="x")
        self.ax_, self.figure_ = panel, figure_of(axes)
        return self
