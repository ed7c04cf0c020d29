"""BayesSearchCV of scikit-optimize, with what it does wrong today put right."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import skopt
from scipy.optimize import OptimizeResult
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import check_random_state
from skopt.callbacks import check_callback
from skopt.space import Dimension

from sknethp.compat import BaseSearchCV, eval_callbacks
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.bayesian.proposals import RoundOptimizer, own_values
from sknethp.model_selection.bayesian.quantiles import as_regressor
from sknethp.model_selection.results import (
    Results,
    fold_scores,
    metric_of,
    metrics_of,
    why_all_failed,
    without_failed,
)

Candidate = dict[str, Any]


class Evaluations:
    """Evaluates rounds of candidates, and keeps account of those that failed as a whole.

    scikit-learn raises where all fits of a round fail, as it should for a search that knows all its
    candidates beforehand; one that proposes a few at a time can go on. `failed` has the candidates
    of such rounds by their position among all, `results` the ``cv_results_`` of the others.
    """

    def __init__(self, evaluate: Callable[[list[Candidate]], Results], error_score: Any):
        self._evaluate = evaluate
        self._error_score = error_score
        self.n_candidates = 0
        self._error: ValueError | None = None
        self.failed: dict[int, Candidate] = {}
        self.results: Results = {}

    def __call__(self, candidates: list[Candidate]) -> bool:
        """Evaluate a round; False if all of it failed."""
        start = self.n_candidates
        self.n_candidates += len(candidates)
        try:
            self.results = self._evaluate(candidates)
        except ValueError as error:
            if self._error_score == "raise" or why_all_failed(error) is None:
                raise
            self._error = error
            self.failed |= dict(enumerate(candidates, start))
            warnings.warn(
                f"All {len(candidates)} candidates of a round failed; their scores are set to "
                f"{self._error_score}. {str(error).strip()}",
                FitFailedWarning,
                stacklevel=2,
            )
            return False
        return True

    def check_any(self) -> None:
        """Raise if there were candidates and all have failed."""
        if self._error is not None and not self.results:
            raise ValueError(
                f"None of {self.n_candidates} candidates could be fitted: "
                f"{why_all_failed(self._error)}"
            ) from self._error


def failed_fit(fit: Mapping[str, Any], error_score: float) -> dict[str, Any]:
    """Return what scikit-learn would know of a fit, had it failed."""
    scores = {
        key: dict.fromkeys(value, error_score) if isinstance(value, Mapping) else error_score
        for key, value in fit.items()
        if key in ("test_scores", "train_scores")
    }
    return {**fit, **scores, "fit_time": np.nan, "score_time": np.nan}


class Proposals:
    """Candidates that an optimizer proposes, and learns from; `result` has all so far."""

    def __init__(self, names: list[str], optimizer: skopt.Optimizer):
        self._names = names
        self._optimizer = optimizer
        self._points: list[list[Any]] = []
        self._failed: list[int] = []
        self.result: OptimizeResult | None = None

    def next(self, n_points: int) -> list[Candidate]:
        """Return some candidates; fewer, or none, where the space has no more."""
        asked = self._optimizer.ask(n_points=n_points)
        self._points = [[as_python(value) for value in point] for point in asked]
        return [dict(zip(self._names, point, strict=True)) for point in self._points]

    def learn(self, scores: np.ndarray) -> OptimizeResult:
        """Take the scores of the candidates returned last; what failed counts as the worst."""
        losses = -np.asarray(scores, dtype=float)
        known = self._optimizer.yi
        start = len(known)
        worked = [loss for i, loss in enumerate(known) if i not in self._failed]
        worst = max([*worked, *losses[np.isfinite(losses)].tolist()], default=0.0)
        self._failed += [start + i for i in np.flatnonzero(~np.isfinite(losses)).tolist()]
        for i in self._failed:
            if i < start:
                known[i] = worst
        losses = np.where(np.isfinite(losses), losses, worst)
        self.result = self._optimizer.tell(self._points, losses.tolist())
        return self.result


class PatchedBayesSearchCV(skopt.BayesSearchCV):
    """The parent with today's scikit-learn; see ``BayesSearchCV`` for its parameters."""

    max_time: float | None = None
    best_index_: int
    cv_results_: Results

    def fit(self, X, y=None, *, groups=None, callback=None, **fit_params):
        """Run the search, as documented in ``BayesSearchCV``."""
        self._callbacks = check_callback(callback)
        self.optimizer_kwargs_ = dict(self.optimizer_kwargs or {})
        if callable(self.refit):
            raise ValueError(
                "BayesSearchCV takes no callable for refit, since it needs a score to improve: "
                "give True, False or the name of a metric."
            )
        # The parent hands on groups even where there are none, which metadata routing rejects.
        given = {} if groups is None else {"groups": groups}
        BaseSearchCV.fit(self, X, y, **{**(self.fit_params or {}), **given, **fit_params})
        return self

    @property
    def total_iterations(self):
        """Number of evaluations of all spaces together."""
        if self.search_spaces is None:
            return self.n_iter
        return sum(n_iter for _, n_iter in subspaces(self.search_spaces, self.n_iter))

    def _make_optimizer(self, params_space: Mapping[str, Dimension]) -> skopt.Optimizer:
        """Return what proposes candidates."""
        kwargs = dict(self.optimizer_kwargs_)
        dimensions = list(params_space.values())
        if self.optimizer_kwargs is None:
            return RoundOptimizer(dimensions, own_values(self.estimator, params_space), **kwargs)
        if "base_estimator" in kwargs:
            kwargs["base_estimator"] = as_regressor(
                kwargs["base_estimator"], kwargs["random_state"]
            )
        return skopt.Optimizer(dimensions, **kwargs)

    def _run_search(self, evaluate_candidates):
        """Evaluate proposals round after round, space after space."""
        end = np.inf if self.max_time is None else time.perf_counter() + self.max_time
        self.optimizer_kwargs_["random_state"] = check_random_state(self.random_state)
        evaluations = Evaluations(evaluate_candidates, self.error_score)
        spaces = subspaces(self.search_spaces, self.n_iter)
        self.optimizers_ = [self._make_optimizer(space) for space, _ in spaces]
        self._optim_results = []
        for (space, n_iter), optimizer in zip(spaces, self.optimizers_, strict=True):
            proposals = Proposals(list(space), optimizer)
            while n_iter > 0 and not (evaluations.n_candidates and time.perf_counter() >= end):
                candidates = proposals.next(min(n_iter, self.n_points))
                if not candidates:
                    warnings.warn(
                        f"The space has only {len(optimizer.Xi)} points: all are evaluated, and "
                        f"{n_iter} evaluations less are made.",
                        UserWarning,
                        stacklevel=2,
                    )
                    break
                scores = self._scores(evaluations, candidates)
                n_iter -= len(candidates)
                if eval_callbacks(self._callbacks, proposals.learn(scores)):
                    break
            if proposals.result is not None:
                self._optim_results.append(proposals.result)
        evaluations.check_any()
        self._failed = evaluations.failed

    def _scores(self, evaluations: Evaluations, candidates: list[Candidate]) -> np.ndarray:
        """Evaluate candidates and return the scores to learn from."""
        if not evaluations(candidates):
            return np.full(len(candidates), np.nan)
        results = evaluations.results
        names = metrics_of(results)
        if len(names) > 1:
            self._check_refit_for_multimetric(names)
        scores = fold_scores(results, metric_of(results, self.refit))[-len(candidates) :]
        return without_failed(scores, self.error_score).mean(axis=1)
