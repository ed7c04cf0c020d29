"""Adding layers until the test score does not improve any more."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import ParameterGrid, ParameterSampler

from sknethp.compat import BaseSearchCV
from sknethp.hyperparameters import set_parameters
from sknethp.hyperparameters.constraints import COUNT, Constraint, Number, optional
from sknethp.model_selection.checks import all_of, check_growth
from sknethp.model_selection.curve import Depth, curve, ended
from sknethp.model_selection.estimators import full_name, prefixes
from sknethp.model_selection.evaluations import Evaluations
from sknethp.model_selection.fused_search import (
    ADDED,
    ATTRIBUTES,
    ESTIMATOR,
    MAX_TIME,
    FusedSearchMixin,
)
from sknethp.model_selection.results import (
    Results,
    best_index,
    fold_scores,
    metric_of,
    metrics_of,
    why_all_failed,
)


class LayerGrowthSearchCV(FusedSearchMixin, BaseSearchCV):  # noqa: D101
    __doc__ = f"""Adds hidden layers until the cross-validated score does not improve any more.

    The first depth is an improvement; another is, if its best candidate scores higher than that
    of the last improvement, by more than the standard error of that one's mean over the folds.
    Growing ends after `patience` depths without one, at `max_layers`, or before a depth where no
    candidate can be fitted. The last improvement is the best.

    Parameters
    ----------
    {ESTIMATOR}
        Several networks in it grow together.
    param_grid : dict, list of dict, callable or None
        What to tune at each depth: values by name, or with `n_iter` distributions; a network's
        parameters may be given without their prefix. A callable gets the number of layers and
        returns a space; it is called for a depth when that is to be evaluated. None to tune
        nothing else.
    min_layers, max_layers : int
        The first depth, and the last.
    patience : int
        Depths without an improvement after which growing ends.
    speculative : int or None
        Depths that are evaluated at once; what turns out to lie beyond the end is dropped, so
        that the result is the same for all. None for `patience` + 1.
    n_iter : int or None
        Candidates drawn from `param_grid`, the same for all depths; None for all of the grid.
    scoring, refit, cv, verbose, return_train_score : object
        As in ``sklearn.model_selection.GridSearchCV``. A callable `refit` chooses the best
        candidate.
    random_state : int, RandomState or None
        Seed of what is drawn. The networks have their own.
    error_score : {{"raise"}} or NaN
        As there, but for other numbers.
    n_jobs, pre_dispatch : object
        As there, for another joblib backend; fused fits use all cores.
    {MAX_TIME}
    {ADDED}

    Attributes
    ----------
    best_n_layers_ : int
    growth_ : list of dict
        For each depth ``n_layers``, ``mean`` and ``standard_error`` of the test scores of its
        best candidate, ``best_params`` and ``improved``.
    splits_ : list of tuple of ndarray
        Training and test indices of the folds that all candidates share.
    {ATTRIBUTES}

    References
    ----------
    Breiman et al. (1984), Classification and regression trees, for the rule of one standard
    error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.model_selection import LayerGrowthSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=10, hidden_units=16, lr=0.01, random_state=0)
    >>> search = LayerGrowthSearchCV(net, {{"dropout": [0.0, 0.3]}}, cv=3).fit(X, y)
    >>> search.best_n_layers_ in [depth["n_layers"] for depth in search.growth_]
    True
    """

    _allowed: ClassVar[dict[str, Constraint]] = {
        "min_layers": Number(0, integer=True),
        "max_layers": COUNT,
        "patience": COUNT,
        "speculative": optional(COUNT),
        "n_iter": optional(COUNT),
    }

    _splits_once = True
    cv_results_: Results

    def __init__(
        self,
        estimator=None,
        param_grid=None,
        *,
        min_layers=1,
        max_layers=8,
        patience=2,
        speculative=None,
        n_iter=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        max_time=None,
        memory=None,
        progress=None,
    ):
        set_parameters(self, locals())

    def _conclude(self) -> None:
        """Drop the depths beyond the end, and say how the score grew."""
        self.splits_ = self.cv.splits
        refit = self._given_refit
        grown = self._curve(self.cv_results_, refit)
        self.cv_results_ = self._up_to(grown[-1], self.cv_results_)
        self.evaluated_at_ = self.evaluated_at_[: len(self.cv_results_["params"])]
        params = self.cv_results_["params"]
        self.growth_ = [depth.described(best_params=params[depth.index]) for depth in grown]
        best = _last_improvement(grown)
        self.best_n_layers_ = best.n_layers
        if refit or not self.multimetric_:
            self.best_index_ = _chosen(self.cv_results_, best, refit)
            self.best_params_ = self.cv_results_["params"][self.best_index_]
            if not callable(refit):
                mean = f"mean_test_{metric_of(self.cv_results_, refit)}"
                self.best_score_ = self.cv_results_[mean][self.best_index_]
        super()._conclude()

    @contextmanager
    def _with_defaults(self, X: Any) -> Iterator[None]:
        """Let the parent refit what is best by growth."""
        given = self._given_refit = self.refit

        def choose(results: Results) -> int:
            grown = self._curve(results, given)
            return _chosen(self._up_to(grown[-1], results), _last_improvement(grown), given)

        try:
            self.refit = choose if given else given
            with super()._with_defaults(X):
                yield
        finally:
            self.refit = given
            del self._given_refit

    def _evaluate_all(self, evaluate: Evaluations, callback_ctx: Any) -> None:
        """Grow, told to callbacks as one task."""
        with evaluate.told(self, callback_ctx):
            self._grow(evaluate)

    def _grow(self, evaluate: Callable) -> None:
        """Evaluate some depths at a time, until growing has ended."""
        at_once = self.speculative or self.patience + 1
        if self.error_score == "raise":
            at_once = 1  # a depth beyond the end must not raise
        drawn = None if callable(self.param_grid) else self._settings(self.min_layers)
        results = None
        n_layers = self.min_layers
        while n_layers <= self.max_layers:
            end = min(n_layers + at_once, self.max_layers + 1)
            by_depth = self._by_depth(range(n_layers, end), drawn)
            candidates = [candidate for depth in by_depth for candidate in depth]
            try:
                results = evaluate(candidates)
            except ValueError as error:
                reason = why_all_failed(error)
                if reason is None:
                    raise
                if results is None:
                    raise ValueError(self._no_first(reason)) from error
                warnings.warn(
                    f"Growing ends before {n_layers} hidden layers, where all fits failed: "
                    f"{reason}",
                    FitFailedWarning,
                    stacklevel=2,
                )
                break
            n_layers += len(by_depth)
            grown = self._curve(results, self._given_refit)
            if grown[-1].n_layers < n_layers - 1 or ended(grown, self.patience):
                break

    def _by_depth(
        self, depths: range, drawn: list[dict[str, Any]] | None
    ) -> list[list[dict[str, Any]]]:
        """Return the candidates of each depth; a callable may fail for those beyond the end."""
        by_depth: list[list[dict[str, Any]]] = []
        for n_layers in depths:
            try:
                by_depth.append(self._candidates(n_layers, drawn))
            except Exception:
                if not by_depth:
                    raise
                break
        return by_depth

    def _candidates(
        self, n_layers: int, drawn: list[dict[str, Any]] | None
    ) -> list[dict[str, Any]]:
        """Return the candidates of a depth, with what was drawn for all depths, if anything was."""
        growing = prefixes(self.estimator, "hidden_layers")
        layers = {f"{prefix}hidden_layers": n_layers for prefix in growing}
        settings = self._settings(n_layers) if drawn is None else drawn
        return [
            {**layers, **{full_name(self.estimator, name): v for name, v in setting.items()}}
            for setting in settings
        ]

    def _settings(self, n_layers: int) -> list[dict[str, Any]]:
        """Return what a depth is tried with."""
        space = self.param_grid(n_layers) if callable(self.param_grid) else self.param_grid
        space = {} if space is None else space
        check_growth(self.estimator, space, drawn=self.n_iter is not None)
        if self.n_iter is None:
            return all_of(ParameterGrid(space))
        return all_of(ParameterSampler(space, self.n_iter, random_state=self.random_state))

    def _depths(self, results: Results) -> list[int]:
        """Return the number of layers of each candidate."""
        prefix = prefixes(self.estimator, "hidden_layers")[0]
        return [params[f"{prefix}hidden_layers"] for params in results["params"]]

    def _curve(self, results: Results, refit: Any) -> list[Depth]:
        """Return the curve up to the end of growing."""
        if (metrics := metrics_of(results)) != ["score"]:
            _check_refit(refit, metrics)
        scores = fold_scores(results, metric_of(results, refit))
        grown = curve(self._depths(results), scores)
        if not grown:
            raise ValueError(self._no_first())
        return grown[: ended(grown, self.patience)]

    def _up_to(self, last: Depth, results: Results) -> Results:
        """Return results as if no candidate had more layers."""
        n_kept = sum(depth <= last.n_layers for depth in self._depths(results))
        params = results["params"]
        n_splits = len(self._fits) // len(params)
        return self._results_of(params[:n_kept], self._fits[: n_kept * n_splits])

    def _no_first(self, reason: str = "see the warnings for the reasons.") -> str:
        return f"No network of {self.min_layers} hidden layers can be fitted and scored: {reason}"

    def _check(self) -> None:
        if self.max_layers < self.min_layers:
            raise ValueError(
                f"max_layers={self.max_layers} is less than min_layers={self.min_layers}: give a "
                "range of depths to grow through."
            )
        if self.error_score != "raise" and not _is_nan(self.error_score):
            raise ValueError(
                f"error_score={self.error_score!r} is not valid: a depth that fails ends the "
                'growth, so give np.nan, or "raise" to see the error.'
            )
        if isinstance(self.scoring, (list, tuple, set, dict)):
            _check_refit(self._given_refit, list(self.scoring))
        space = {} if callable(self.param_grid) or self.param_grid is None else self.param_grid
        check_growth(self.estimator, space, drawn=self.n_iter is not None)


def _check_refit(refit: Any, metrics: list[str]) -> None:
    """Reject what does not say which of several metrics to grow by."""
    if not (callable(refit) or refit is False or refit in metrics):
        raise ValueError(
            "With several metrics in scoring, refit must be the name of the one to grow by "
            f"({', '.join(map(repr, metrics))}), a callable, or False; but it is {refit!r}."
        )


def _is_nan(value: Any) -> bool:
    return isinstance(value, Real) and math.isnan(value)


def _last_improvement(grown: list[Depth]) -> Depth:
    return [depth for depth in grown if depth.improved][-1]


def _chosen(results: Results, best: Depth, refit: Any) -> int:
    """Return which candidate is best: growth's, unless a callable decides."""
    return best_index(results, refit) if callable(refit) else best.index
