"""A random search that ends in time, for estimators of scikit-learn.

The default configuration comes first. A candidate starts only if it is expected to end, its refit
included, before the time is up; where already the default is too slow for that, it is validated on
fewer folds, or gets fewer trees or iterations.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import ParameterSampler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from sknethp.comparison.scoring import LOG_LOSS, Answered, score_of
from sknethp.self_tuning.folds import Splits

_PROBED_SHARE = 0.1
# So many candidates like the first should fit; with fewer, there are fewer folds.
_WANTED = 4
_MOST_PASSED_OVER = 50
_FEW_ROWS = 1000
# Of the estimate, since a fit on other rows or in another moment takes longer.
_MARGIN = 1.1


@dataclass(frozen=True)
class Space:
    """Where to search.

    `distributions` are scikit-learn's, `size` names the number of trees or iterations, and `work`
    tells what a fit costs, in any unit, given all parameters and the number of features.
    """

    distributions: Mapping[str, Any]
    size: str | None = None
    work: Callable[[Mapping[str, Any], int], float] = lambda parameters, n_features: 1.0


@dataclass
class _Candidate:
    params: dict[str, Any]
    scores: list[float]
    seconds: list[float]  # to fit and score, per fold

    @property
    def score(self) -> float:
        return float(np.mean(self.scores))


class TimedRandomSearch(ClassifierMixin, BaseEstimator):
    """Random search by cross-validation in at most `max_time` seconds, refit included.

    `splits` are the folds, as indices of training and held-out rows. Fitted, `notes_` says what was
    less than asked for.
    """

    def __init__(
        self, estimator, space, *, splits, scoring=LOG_LOSS, max_time=60.0, random_state=None
    ):
        self.estimator = estimator
        self.space = space
        self.splits = splits
        self.scoring = scoring
        self.max_time = max_time
        self.random_state = random_state

    @property
    def param_distributions(self):
        """Where candidates are drawn from, by the name that scikit-learn's searches have for it."""
        return self.space.distributions

    def fit(self, X, y):
        """Try candidates while there is time, and fit the best to all rows."""
        self._end = time.perf_counter() + self.max_time
        self.classes_ = np.unique(y)
        self.notes_: list[str] = []
        self.n_threads_: int | None = None
        self._paces: list[float] = []
        with warnings.catch_warnings(), ExitStack() as limits:
            warnings.simplefilter("ignore")  # of convergence, and of what the data is like
            splits = self._planned(self._probed(X, y, limits))
            done = self._tried(splits, X, y) if splits else []
            scored = [candidate for candidate in done if np.isfinite(candidate.score)]
            best = max(scored, key=lambda c: c.score) if scored else _Candidate({}, [math.nan], [])
            self.best_params_, self.best_score_ = best.params, best.score
            self.n_candidates_ = max(len(done), 1)
            self.best_estimator_ = (
                clone(self.estimator).set_params(**best.params).fit(X, y)
                if splits
                else self._grown(X, y)
            )
        return self

    def _threads(self) -> AbstractContextManager:
        """Limit the threads if that was faster."""
        return threadpool_limits(self.n_threads_) if self.n_threads_ else nullcontext()

    @property
    def _left(self) -> float:
        return self._end - time.perf_counter()

    def _planned(self, whole: float) -> Splits:
        """Return the folds, or less of them, so that the default fits the time; maybe none.

        `whole` are the seconds that it takes on all rows.
        """
        whole *= _MARGIN
        for n_folds in [n for n in (len(self.splits), 3, 1) if n <= len(self.splits)]:
            wanted = _WANTED if n_folds > 1 else 1
            if whole * (wanted * n_folds + 1) <= self._left:
                if n_folds < len(self.splits):
                    self.notes_.append(f"{n_folds} of {len(self.splits)} folds")
                return self.splits[:n_folds]
        self.notes_.append("no tuning")
        return []

    def _probed(self, X: Any, y: np.ndarray, limits: ExitStack) -> float:
        """Estimate the seconds that the default takes, by a tenth of its size or of the rows.

        OpenMP and BLAS are limited to one thread if that is faster. On a busy machine several may
        take a hundred times as long, so they are tried on the least that can be fitted.
        """
        name = self.space.size
        every = round(1 / _PROBED_SHARE) if name is None and len(y) > _FEW_ROWS else 1
        rows = np.argsort(y, kind="stable")[::every]
        X, y = X[rows], y[rows]
        least = self._of_size(1)
        with threadpool_limits(1):
            alone = _seconds(least, X, y)
        if alone < _seconds(least, X, y):
            self.n_threads_ = 1
            limits.enter_context(self._threads())
        if name is None:
            return every * _seconds(least, X, y)
        size = self.estimator.get_params()[name]
        probe = max(1, round(_PROBED_SHARE * size))
        return _seconds(self._of_size(probe), X, y) * size / probe

    def _of_size(self, size: int) -> Any:
        """Return the default with another number of trees or iterations, if it has one."""
        if self.space.size is None:
            return self.estimator
        return clone(self.estimator).set_params(**{self.space.size: size})

    def _grown(self, X: Any, y: np.ndarray) -> Any:
        """Fit the default to all rows, adding trees or iterations while there is time."""
        name = self.space.size
        if name is None:
            return clone(self.estimator).fit(X, y)
        whole = self.estimator.get_params()[name]
        step = max(1, round(_PROBED_SHARE * whole))
        grown = self._of_size(step).set_params(warm_start=True)
        for size in [*range(step, whole, step), whole]:
            start = time.perf_counter()
            grown.set_params(**{name: size}).fit(X, y)
            if size < whole and time.perf_counter() - start > self._left:
                self.notes_.append(f"{name} below {whole}")
                break
        return grown

    def _tried(self, splits: Splits, X: Any, y: np.ndarray) -> list[_Candidate]:
        done: list[_Candidate] = []
        n_passed_over = 0
        for params in self._proposed():
            if done and not self._fits(params, splits, X, done):
                n_passed_over += 1
                if n_passed_over > _MOST_PASSED_OVER:
                    break
                continue
            n_passed_over = 0
            candidate = self._evaluated(params, splits, X, y, done)
            if candidate is None:
                break
            done.append(candidate)
        return done

    def _proposed(self) -> Iterator[dict[str, Any]]:
        yield {}
        seen = set()
        sampler = ParameterSampler(
            self.space.distributions, n_iter=10**6, random_state=self.random_state
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a grid that is smaller
            for params in sampler:
                if (key := repr(sorted(params.items()))) not in seen:
                    seen.add(key)
                    yield params

    def _work(self, params: Mapping[str, Any], X: Any) -> float:
        return self.space.work({**self.estimator.get_params(), **params}, X.shape[1])

    def _expected(self, params: Mapping[str, Any], X: Any) -> float:
        """Return the seconds that a fold of a candidate should take."""
        pace = float(np.quantile(self._paces, 0.8)) if self._paces else 0.0
        return _MARGIN * pace * self._work(params, X)

    def _fits(self, params: dict[str, Any], splits: Splits, X: Any, done: list[_Candidate]) -> bool:
        expected = self._expected(params, X)
        refit = max(expected * len(self.splits) / (len(self.splits) - 1), self._refit_of_best(done))
        return expected * len(splits) + refit < self._left

    def _refit_of_best(self, done: list[_Candidate]) -> float:
        best = max(done, key=lambda candidate: np.nan_to_num(candidate.score, nan=-np.inf))
        return self._refit(best.seconds)

    def _refit(self, seconds: list[float]) -> float:
        train, test = self.splits[0]
        return _MARGIN * float(np.mean(seconds)) * (len(train) + len(test)) / len(train)

    def _evaluated(
        self,
        params: dict[str, Any],
        splits: Splits,
        X: Any,
        y: np.ndarray,
        done: list[_Candidate],
    ) -> _Candidate | None:
        """Return a candidate after all folds, or None if they would take too long."""
        candidate = _Candidate(params, [], [])
        for train, test in splits:
            if candidate.seconds and done:
                mean, refit = np.mean(candidate.seconds), self._refit(candidate.seconds)
                n_left = len(splits) - len(candidate.seconds)
                if n_left * mean + max(refit, self._refit_of_best(done)) > self._left:
                    return None
            start = time.perf_counter()
            fitted = clone(self.estimator).set_params(**params).fit(X[train], y[train])
            answers = Answered.of(fitted, X[test], self.classes_)
            try:
                score = score_of(self.scoring, answers, X[test], y[test])
            except ValueError:  # of a fold without a class
                score = math.nan
            candidate.scores.append(score)
            candidate.seconds.append(time.perf_counter() - start)
        self._paces.append(float(np.mean(candidate.seconds)) / self._work(params, X))
        return candidate

    def predict_proba(self, X):
        """Return the class probabilities of the best candidate."""
        check_is_fitted(self, "best_estimator_")
        with self._threads():
            return self.best_estimator_.predict_proba(X)

    def predict(self, X):
        """Return the labels of the best candidate."""
        check_is_fitted(self, "best_estimator_")
        with self._threads():
            return self.best_estimator_.predict(X)


def _seconds(estimator: Any, X: Any, y: np.ndarray) -> float:
    """Return how long a fit takes."""
    start = time.perf_counter()
    clone(estimator).fit(X, y)
    return time.perf_counter() - start
