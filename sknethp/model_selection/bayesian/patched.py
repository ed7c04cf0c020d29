"""BayesSearchCV of scikit-optimize, with what it does wrong today put right."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import compress
from typing import Any

import numpy as np
import skopt
from scipy.optimize import OptimizeResult
from sklearn.utils import check_random_state
from skopt.callbacks import check_callback
from skopt.space import Dimension

from sknethp.compat import BaseSearchCV, _num_samples, eval_callbacks
from sknethp.hyperparameters.constraints import as_python
from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.bayesian.proposals import RoundOptimizer, own_values
from sknethp.model_selection.bayesian.quantiles import as_regressor
from sknethp.model_selection.evaluations import Candidate, Evaluations
from sknethp.model_selection.results import Results, metrics_of


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

    def learn(self, scores: np.ndarray, evaluated: list[bool]) -> OptimizeResult:
        """Take the scores of those candidates returned last that were evaluated.

        What failed counts as the worst.
        """
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
        self.result = self._optimizer.tell([*compress(self._points, evaluated)], losses.tolist())
        return self.result


class PatchedBayesSearchCV(skopt.BayesSearchCV):
    """The parent with today's scikit-learn; see ``BayesSearchCV`` for its parameters."""

    best_index_: int
    cv_results_: Results

    def fit(self, X, y=None, *, groups=None, callback=None, **fit_params):
        """Run the search, as documented in ``BayesSearchCV``."""
        self._callbacks = check_callback(callback)
        self.optimizer_kwargs_ = dict(self.optimizer_kwargs or {})
        self._n_samples = _num_samples(X)
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
            own = own_values(self.estimator, params_space, self._n_samples)
            return RoundOptimizer(dimensions, own, **kwargs)
        if "base_estimator" in kwargs:
            kwargs["base_estimator"] = as_regressor(
                kwargs["base_estimator"], kwargs["random_state"]
            )
        return skopt.Optimizer(dimensions, **kwargs)

    def _run_search(self, evaluations: Evaluations) -> None:
        """Evaluate proposals round after round, space after space."""
        self.optimizer_kwargs_["random_state"] = check_random_state(self.random_state)
        spaces = subspaces(self.search_spaces, self.n_iter)
        self.optimizers_ = [self._make_optimizer(space) for space, _ in spaces]
        self._optim_results = []
        for (space, n_iter), optimizer in zip(spaces, self.optimizers_, strict=True):
            proposals = Proposals(list(space), optimizer)
            while n := evaluations.affordable(min(n_iter, self.n_points)):
                candidates = proposals.next(n)
                if not candidates:
                    warnings.warn(
                        f"The space has only {len(optimizer.Xi)} points: all are evaluated, and "
                        f"{n_iter} evaluations less are made.",
                        UserWarning,
                        stacklevel=2,
                    )
                    n_iter = 0
                    break
                evaluated = evaluations.try_round(candidates)
                n_iter -= len(candidates)
                if not any(evaluated):
                    continue
                if len(names := metrics_of(evaluations.results)) > 1:
                    self._check_refit_for_multimetric(names)
                scores = evaluations.last_scores(sum(evaluated), self.refit)
                if eval_callbacks(self._callbacks, proposals.learn(scores, evaluated)):
                    n_iter = 0
            if proposals.result is not None:
                self._optim_results.append(proposals.result)
            evaluations.n_left_out += n_iter
        evaluations.check_any()
