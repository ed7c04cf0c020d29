"""Rounds of candidates: in time, where it is limited, and going on after one that failed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning

from sknethp.fusion.time_limit import TimeLimit, time_limit
from sknethp.model_selection.results import (
    Results,
    fold_scores,
    metric_of,
    why_all_failed,
    without_failed,
)

Candidate = dict[str, Any]

# In place of what scikit-learn knows of a fit; it looks at these two.
_GIVEN_UP = {"fit_error": None, "test_scores": None, "is_given_up": True}
# Tasks that joblib takes at once; of more, the rest would be submitted while others run.
_MOST_FITS = 1000


class TimeBudget:
    """Divides the time of a whole search, refit included, into rounds of candidates.

    The first has one candidate, which is always evaluated; another has at most twice as many as the
    last, and as many as end in time if each takes as long as the last ones.
    """

    def __init__(self, max_time: float):
        self._max_time = max_time
        self._start = time.perf_counter()
        self._limit = TimeLimit(self._start + max_time, 0.0, _GIVEN_UP)
        self._sees_fits = True
        self._n_splits = 1
        self._n_last = 0
        self._seconds_each = 0.0

    def prepare(self, n_splits: int, refits: bool, sees_fits: bool) -> None:
        """Take what is known once the data are split; another backend's fits are not seen."""
        self._n_splits, self._sees_fits = n_splits, sees_fits
        share = 1 - 1 / n_splits if n_splits > 1 else 0.5
        self._limit.n_refits = 1 / share if refits else 0.0

    def affordable(self, n_waiting: int) -> int:
        """Return how many of some candidates are to be evaluated next, together."""
        if not self._n_last:
            return min(1, n_waiting)
        n_in_time = int(max(self._limit.left(), 0) / self._seconds_each)
        return min(n_waiting, n_in_time, 2 * self._n_last, max(1, _MOST_FITS // self._n_splits))

    @contextmanager
    def round_of(self, n_candidates: int) -> Iterator[None]:
        """Limit the time of the fits inside, and measure it."""
        token, start = time_limit.set(self._limit), time.perf_counter()
        try:
            yield
            self._limit.is_strict = True
        finally:
            time_limit.reset(token)
            self._n_last = n_candidates
            self._seconds_each = max((time.perf_counter() - start) / n_candidates, 1e-9)

    def count(self, fits: list[Any]) -> None:
        """Take the times of fits that no scheduler of ours has seen."""
        if not self._sees_fits:
            seconds = [fit["fit_time"] + fit["score_time"] for fit in fits]
            self._limit.longest_fit = max(seconds, default=0.0)

    def report(self, n_evaluated: int, n_left_out: int) -> None:
        """Say that candidates were not evaluated, or that time was too short for one."""
        seconds = time.perf_counter() - self._start
        is_short = n_evaluated == 1 and seconds > self._max_time
        if not n_left_out and not is_short:
            return
        count = f"{n_evaluated} of {n_evaluated + n_left_out} candidates"
        warnings.warn(
            f"max_time={self._max_time:g} is too short: {count} took {seconds:.1f} s; give more "
            "time, fewer folds or fewer epochs."
            if is_short
            else f"max_time={self._max_time:g} ended the search after {count}: cv_results_ has no "
            "others.",
            UserWarning,
            stacklevel=3,
        )


class _NumberedOn:
    """A task of scikit-learn's callbacks whose subtasks, of several rounds, are numbered on."""

    def __init__(self, task: Any):
        self._task = task
        self._n_subtasks = 0

    def subcontext(self, task_name: str, task_id: int) -> Any:
        """Begin with the next number in place of that in the round."""
        self._n_subtasks += 1
        return self._task.subcontext(task_name=task_name, task_id=self._n_subtasks - 1)


class Evaluations:
    """Evaluates a search's candidates, and keeps account of them.

    scikit-learn raises where all fits of a round fail, as it should for a search that knows all its
    candidates beforehand; one that evaluates a few at a time can go on. `failed` has the candidates
    of such rounds by their position among all, `results` the ``cv_results_`` of the others, and
    `seconds` when the scores of each were known.
    """

    def __init__(
        self,
        evaluate: Callable[..., Results],
        check: Callable[[Any], list[Candidate]],
        error_score: Any,
        budget: TimeBudget | None,
    ):
        self._evaluate, self._check = evaluate, check
        self._error_score = error_score
        self._budget = budget
        self._start = time.perf_counter()
        self.seconds: list[float] = []
        self.failed: dict[int, Candidate] = {}
        self._error: ValueError | None = None
        self.results: Results = {}
        self.n_left_out = 0
        self._task: _NumberedOn | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: fits in other processes hold the search, but evaluate nothing."""
        return {}

    @contextmanager
    def told(self, search: Any, root: Any) -> Iterator[None]:
        """Tell callbacks, if there is a root, of all evaluations as one task.

        scikit-learn's own searches do.
        """
        if root is None:
            yield
            return
        task = root.subcontext(task_name="search", max_subtasks=None, sequential_subtasks=False)
        self._task = _NumberedOn(task.call_on_fit_task_begin(estimator=search))
        yield
        task.call_on_fit_task_end(estimator=search)

    def affordable(self, n_waiting: int) -> int:
        """Return how many of some candidates are to be evaluated next, together."""
        return n_waiting if self._budget is None else self._budget.affordable(n_waiting)

    def __call__(
        self, candidates: Any, *args: Any, callback_ctx: Any = None, **kwargs: Any
    ) -> Results:
        """Evaluate candidates as far as there is time; return the results of all so far."""
        if callback_ctx is not None:
            self._task = _NumberedOn(callback_ctx)
        checked = self._check(candidates)
        if self._budget is None:
            self._run(checked, *args, **kwargs)
            return self.results
        failed, start = dict(self.failed), 0
        while n := self._budget.affordable(len(checked) - start):
            self._try(checked[start : start + n])
            start += n
        self.n_left_out += len(checked) - start
        if start and len(self.failed) - len(failed) == start:
            self.failed = failed
            raise self._error  # type: ignore[misc]
        return self.results

    def try_round(self, candidates: list[Candidate]) -> list[bool]:
        """Evaluate a round; tell which candidates were not given up, failed or not."""
        return self._try(self._check(candidates))

    def _try(self, candidates: list[Candidate]) -> list[bool]:
        start = len(self.seconds)
        try:
            return self._run(candidates)
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
            return [True] * len(candidates)

    def check_any(self) -> None:
        """Raise if there were candidates and all have failed."""
        if self._error is not None and not self.results:
            raise ValueError(
                f"None of {len(self.seconds)} candidates could be fitted: "
                f"{why_all_failed(self._error)}"
            ) from self._error

    def last_scores(self, n: int, refit: Any) -> np.ndarray:
        """Return the mean test scores of the candidates evaluated last, (n,); NaN if failed."""
        if len(self.seconds) - 1 in self.failed:
            return np.full(n, np.nan)
        scores = fold_scores(self.results, metric_of(self.results, refit))[-n:]
        return without_failed(scores, self._error_score).mean(axis=1)

    def _run(self, candidates: list[Candidate], *args: Any, **kwargs: Any) -> list[bool]:
        """Evaluate a round; tell which candidates were not given up."""
        n_before, n_done = len(self.results.get("params", ())), len(candidates)
        if self._task is not None:  # before scikit-learn 1.9 there is none
            kwargs["callback_ctx"] = self._task
        try:
            if self._budget is None:
                self.results = self._evaluate(candidates, *args, **kwargs)
                return [True] * len(candidates)
            with self._budget.round_of(len(candidates)):
                self.results = self._evaluate(candidates, *args, **kwargs)
            done = set(map(id, self.results["params"][n_before:]))
            n_done = len(done)
            self.n_left_out += len(candidates) - n_done
            return [id(candidate) in done for candidate in candidates]
        finally:
            self.seconds += [time.perf_counter() - self._start] * n_done


def drop_given_up(candidates: list[Candidate], n_splits: int, fits: list[Any]) -> None:
    """Take out candidates with a fit that was given up, and all their fits, in place."""
    for i in reversed(range(len(candidates))):
        folds = slice(i * n_splits, (i + 1) * n_splits)
        if any("is_given_up" in fit for fit in fits[folds]):
            del candidates[i], fits[folds]


def failed_fit(fit: Mapping[str, Any], error_score: float) -> dict[str, Any]:
    """Return what scikit-learn would know of a fit, had it failed."""
    scores = {
        key: dict.fromkeys(value, error_score) if isinstance(value, Mapping) else error_score
        for key, value in fit.items()
        if key in ("test_scores", "train_scores")
    }
    return {**fit, **scores, "fit_time": np.nan, "score_time": np.nan}
