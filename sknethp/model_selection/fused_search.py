"""What all our searches add to their parents: fusion, defaults, memory."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from inspect import getclosurevars, signature
from typing import Any, ClassVar

import numpy as np
from joblib.parallel import get_active_backend
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sknethp.compat import BaseSearchCV
from sknethp.estimator.memory import UnwritableMemoryError
from sknethp.fusion import fused
from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.summary import Summary
from sknethp.hyperparameters.constraints import Constraint
from sknethp.model_selection.checks import (
    all_of,
    check_candidates,
    check_folds,
    check_memories,
    check_scores,
    check_seeds,
    check_settings,
    check_space,
)
from sknethp.model_selection.estimators import (
    check_is_estimator,
    default_estimator,
    networks_in,
    with_memory,
)
from sknethp.model_selection.evaluations import (
    Evaluations,
    TimeBudget,
    drop_given_up,
    failed_fit,
)
from sknethp.model_selection.folds import fixed_folds
from sknethp.model_selection.preprocessing import PreprocessingCache, preprocessed_once
from sknethp.model_selection.results import Results, metric_of, without_tracebacks
from sknethp.model_selection.spaces import Method, Size, search_space

# Parts of the searches' docstrings.
ESTIMATOR = """estimator : estimator or None
        None for ``make_pipeline(StandardScaler(), DeepNetClassifier(random_state=0))``."""
ADDED = """memory : path, joblib.Memory or None
        Where every DeepNetClassifier keeps its finished fits, so that a killed script can resume.
        Only fits with a seed are found again.
    progress : bool or None
        Whether to show progress; as in ``sknethp.fused``."""
MAX_TIME = """max_time : float or None
        Seconds that ``fit`` may take, refit included. Candidates for which there is no time are
        left out of ``cv_results_``, with a warning; the first one is always evaluated."""
ATTRIBUTES = """As in the parent, and:

    fused_summary_ : Summary or None
        What was fused, and what was not and why: of this search alone, or of the whole block
        where one of ``sknethp.fused()`` is around it. None with another joblib backend.
    evaluated_at_ : ndarray of shape (n_candidates,)
        Seconds after which each candidate's scores were known; those of a round all at once."""


def backend_is_chosen() -> bool:
    """Whether joblib's backend is the caller's choice, which we leave as it is.

    So it is inside ``fused()``, inside ``parallel_config`` with a backend, and in a thread of
    another parallel call; not in a worker process, which has its search to itself.
    """
    # A hint moves the default backend, and none that was chosen.
    threads, _ = get_active_backend(prefer="threads")
    processes, _ = get_active_backend(prefer="processes")
    if type(threads) is not type(processes):
        return False
    if isinstance(threads, FusedBackend):
        return True
    nested = (getattr(threads, "nesting_level", 0) or 0) > 0
    return not nested or threading.current_thread() is not threading.main_thread()


def fused_unless_chosen(progress: Any = None) -> AbstractContextManager[Summary | None]:
    """Train fused what is fitted inside, unless the caller has chosen a backend.

    Gives the summary of this block, of the ``fused()`` block around it, or None with another
    backend.
    """
    if not backend_is_chosen():
        return fused(progress=progress, silent=True)
    backend, _ = get_active_backend()
    holder = backend.scheduler if isinstance(backend, FusedBackend) else backend
    summary = getattr(holder, "summary", None)
    return nullcontext(summary if isinstance(summary, Summary) else None)


def _unfitted_default_has(method: str) -> Any:
    """Return for ``available_if`` whether a search, or its default estimator, has a method."""

    def check(search: Any) -> bool:
        if search.estimator is None and not hasattr(search, "best_estimator_"):
            return bool(search.refit) and hasattr(default_estimator(), method)
        try:
            getattr(super(FusedSearchMixin, search), method)
        except AttributeError as error:
            raise (error.__cause__ or error) from None  # it says why, and is to be the cause again
        return True

    return check


def _of_the_best(name: str) -> Any:
    """Return a method that calls the best estimator's, documented as the parent's."""

    def method(self, X):
        check_is_fitted(self)
        return getattr(super(FusedSearchMixin, self), name)(X)

    method.__name__, method.__doc__ = name, getattr(BaseSearchCV, name).__doc__
    return available_if(_unfitted_default_has(name))(method)


def _raise_unkept(tracebacks: Iterable[str]) -> None:
    """Raise what kept a finished fit from being kept, if that stands in one of some tracebacks."""
    for traceback in tracebacks:
        _, found, message = traceback.rpartition(f"{UnwritableMemoryError.__name__}: ")
        if found:
            raise UnwritableMemoryError(message.strip())


class FusedSearchMixin:
    """Put before a search of scikit-learn's or skopt's, lets its fits train together.

    A class that uses it takes `estimator`, a space, `memory` and `progress`, of which the first
    two may be None: while ``fit`` runs, the parent sees what None stands for.
    """

    # Settings that are checked before any work, beside those that every search has.
    _allowed: ClassVar[dict[str, Constraint]] = {}
    # Whether the first round shows if any candidate can be fitted.
    _all_at_first = True
    # Whether `cv` is asked for its folds only once, for searches of several rounds.
    _splits_once = False
    # The parameter that holds the space, if there is one, and what `search_space` needs.
    _space_parameter: str | None = None
    _space_method: Method = "random"
    _space_size: Size = "medium"

    # Seconds for ``fit``; some searches have it as a parameter.
    max_time: float | None = None

    estimator: Any
    cv: Any
    memory: Any
    progress: Any
    refit: Any
    error_score: Any
    n_splits_: int
    best_index_: int
    cv_results_: Results
    _fits: list[Any]
    _budget: TimeBudget | None
    _evaluations: Evaluations
    _preprocessing: PreprocessingCache

    def fit(self, X, y=None, **params):
        """Run the search, its fits fused.

        Inside a ``sknethp.fused()`` block, or where ``joblib.parallel_config`` names a backend,
        that one is used. `n_jobs` has a meaning only with another backend.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or None
        **params : dict of str to object
            As in the parent: for the estimator's ``fit``, the splitter and the scorer.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If `estimator` is not an estimator but, for instance, a class.
        ValueError
            If the space, the folds or the data cannot be searched; said before any fit. Or if no
            candidate has a score to choose by.
        OSError
            If the memory cannot be written.
        """
        check_is_estimator(self.estimator)
        check_settings(self, self._allowed)
        self._budget = None if self.max_time is None else TimeBudget(self.max_time)
        folds = fixed_folds(self, y) if self._splits_once else nullcontext()
        with folds, self._with_defaults(X):
            check_memories(self.estimator)
            check_seeds(self)
            check_folds(self.estimator, self.cv, y)
            self._check()
            tracebacks = without_tracebacks() if networks_in(self.estimator) else nullcontext()
            with (
                fused_unless_chosen(self.progress) as self.fused_summary_,
                preprocessed_once(self) as self._preprocessing,
                tracebacks,
            ):
                super().fit(X, y, **params)  # type: ignore[misc]
            self.evaluated_at_ = np.array(self._evaluations.seconds)
            if self._evaluations.failed:
                self._put_failed_back()
            self._conclude()
        if self._budget is not None:
            self._budget.report(len(self.evaluated_at_), self._evaluations.n_left_out)
        del self._budget, self._evaluations, self._preprocessing
        return self

    def _put_failed_back(self) -> None:
        """Put the candidates of failed rounds where they belong in the results."""
        worked, failed = self.cv_results_["params"], self._evaluations.failed
        n_all, n_splits = len(worked) + len(failed), len(self._fits) // len(worked)
        places = [i for i in range(n_all) if i not in failed]
        params = {**failed, **dict(zip(places, worked, strict=True))}
        fits = {i: [failed_fit(self._fits[0], self.error_score)] * n_splits for i in failed}
        fits |= {i: self._fits[k * n_splits : (k + 1) * n_splits] for k, i in enumerate(places)}
        self._fits = [fit for i in range(n_all) for fit in fits[i]]
        self.cv_results_ = self._results_of([params[i] for i in range(n_all)], self._fits)
        if hasattr(self, "best_index_"):
            self.best_index_ = places[self.best_index_]

    def _conclude(self) -> None:
        """Complete the results, with None still replaced by what it stands for."""
        del self._fits

    @contextmanager
    def _with_defaults(self, X: Any) -> Iterator[None]:
        """Replace None by what it stands for, and give the networks the memory, while it lasts."""
        given = {"estimator": self.estimator}
        estimator = default_estimator() if self.estimator is None else self.estimator
        replaced = {"estimator": with_memory(estimator, self.memory)}
        name = self._space_parameter
        if name is not None and getattr(self, name) is None:
            given[name] = None
            replaced[name] = self._default_space(estimator, X)
        try:
            vars(self).update(replaced)
            yield
        finally:
            vars(self).update(given)

    def _default_space(self, estimator: Any, X: Any) -> Any:
        """Return the space that None stands for."""
        return search_space(estimator, self._space_method, self._space_size, X=X)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        """Evaluate the candidates, and see that there is one to refit."""
        if self._budget is not None:
            refits, sees_fits = self.refit is not False, self.fused_summary_ is not None
            # Before scikit-learn 1.9 only this function knows the number of folds by now.
            known = getclosurevars(evaluate_candidates).nonlocals
            n_splits = known.get("n_splits") or self.n_splits_
            self._budget.prepare(n_splits, refits, sees_fits)
        self._evaluations = Evaluations(
            self._unless_unkept(evaluate_candidates), self._ready, self.error_score, self._budget
        )
        self._evaluate_all(self._evaluations, callback_ctx)
        self._preprocessing.close()
        if self.refit and not callable(self.refit) and networks_in(self.estimator):
            results = self._evaluations.results
            check_scores(results, metric_of(results, self.refit))

    def _evaluate_all(self, evaluate: Evaluations, callback_ctx: Any) -> None:
        """Evaluate as the parent does; scikit-learn 1.9 gives its searches a context, too."""
        run = super()._run_search  # type: ignore[misc]
        if "callback_ctx" in signature(run).parameters:
            run(evaluate, callback_ctx=callback_ctx)
        else:
            with evaluate.told(self, callback_ctx):
                run(evaluate)

    def _unless_unkept(self, evaluate_candidates: Callable) -> Callable:
        """Raise what kept a fit from being kept, of which scikit-learn says that all failed."""

        def evaluate(*args, **kwargs):
            try:
                return evaluate_candidates(*args, **kwargs)
            except ValueError as error:
                _raise_unkept([str(error)])
                raise

        return evaluate

    def _ready(self, candidates: Any) -> list[dict[str, Any]]:
        """Return candidates with the search's memory, if the first ones can be fitted."""
        candidates = [self._with_memory(candidate) for candidate in all_of(candidates)]
        if self._all_at_first and not self._evaluations.seconds:
            check_candidates(self.estimator, candidates)
        self._preprocessing.check(candidates)
        return candidates

    def _with_memory(self, candidate: Mapping[str, Any]) -> dict[str, Any]:
        """Return a candidate whose networks have the search's memory."""
        return {name: with_memory(value, self.memory) for name, value in candidate.items()}

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        """Make the results of all fits so far, unless one of them could not be kept.

        A fused search has ended before. With another backend, scikit-learn takes such a fit for a
        candidate that failed.
        """
        _raise_unkept(result.get("fit_error") or "" for result in out)
        if self._budget is not None:
            drop_given_up(candidate_params, n_splits, out)
            self._budget.count(out)
        self._fits = list(out)
        make = super()._format_results  # type: ignore[misc]
        return make(candidate_params, n_splits, out, more_results)

    def _results_of(
        self, params: Sequence[Mapping[str, Any]], fits: Sequence[Any], more: Any = None
    ) -> Results:
        """Return results anew, of some candidates and their fits, those of all folds in a row."""
        with warnings.catch_warnings():  # of scores that are not finite there were some before
            warnings.simplefilter("ignore")
            make = super()._format_results  # type: ignore[misc]
            return make(list(params), len(fits) // len(params), list(fits), more)

    def _check(self) -> None:
        """Reject what cannot be searched, before any fit."""
        if self._space_parameter is not None:
            check_space(self.estimator, getattr(self, self._space_parameter), self._space_parameter)

    predict = _of_the_best("predict")
    predict_proba = _of_the_best("predict_proba")

    def get_metadata_routing(self):
        """Return the routing of metadata, as in the parent.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return super(FusedSearchMixin, self._explicit()).get_metadata_routing()  # type: ignore[misc]

    def __sklearn_tags__(self):
        """Take the tags of the estimator."""
        return super(FusedSearchMixin, self._explicit()).__sklearn_tags__()  # type: ignore[misc]

    def _explicit(self) -> Any:
        """Return a search that is equal but for an estimator where this one has None."""
        if self.estimator is not None:
            return self
        equal = copy(self)  # threads may be using this one
        equal.estimator = default_estimator()
        return equal
