"""Tuning by hand: named candidates, tried one after another on the same folds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import check_is_fitted

from sknethp.compat import BaseSearchCV
from sknethp.hyperparameters import set_parameters
from sknethp.model_selection.candidate_table import CandidateTable
from sknethp.model_selection.checks import check_name, check_named, invalid_because
from sknethp.model_selection.estimators import (
    default_estimator,
    full_name,
    with_memory,
    with_parameters,
)
from sknethp.model_selection.evaluations import Evaluations
from sknethp.model_selection.folds import sizes
from sknethp.model_selection.fused_search import (
    ADDED,
    ATTRIBUTES,
    ESTIMATOR,
    FusedSearchMixin,
    fused_unless_chosen,
)
from sknethp.model_selection.results import (
    Results,
    best_index,
    fits_of,
    fold_scores,
    metric_of,
    why_all_failed,
    without_failed,
    without_groups,
)

_SHARED = ("scoring", "n_jobs", "refit", "cv", "error_score", "return_train_score", "memory")


class ManualSearchCV(FusedSearchMixin, BaseSearchCV):  # noqa: D101
    __doc__ = f"""Tuning by hand: candidates that you name, all on the same folds.

    ``fit`` runs the candidates that were given, together; `try_candidate` adds one after another,
    `keep` makes one the base that further candidates change, and `table`, which is also what
    ``print`` shows, says what each changed and whether the difference is more than the folds'
    noise.

    Parameters
    ----------
    {ESTIMATOR}
    candidates : dict of str to dict, or None
        From names to parameters that differ from the estimator's; those of a network may be
        given without their prefix. None for the estimator as it is, named "base".
    scoring, refit, cv, verbose, error_score, return_train_score : object
        As in ``sklearn.model_selection.GridSearchCV``.
    n_jobs, pre_dispatch : object
        As there, for another joblib backend; fused fits use all cores.
    {ADDED}

    Attributes
    ----------
    splits_ : list of tuple of ndarray
        Training and test indices of the folds that all candidates share.
    kept_ : str or None
        The candidate that was kept. The ``best_...`` attributes are of this one, or, where none
        was kept, of the one with the best score.
    {ATTRIBUTES} The column ``candidate`` of ``cv_results_`` has the names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.model_selection import ManualSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=5, hidden_units=8, random_state=0)
    >>> search = ManualSearchCV(net, {{"as it is": {{}}, "faster": {{"lr": 0.01}}}}, cv=3).fit(X, y)
    >>> search.keep("faster").try_candidate("deeper", hidden_layers=3).best_params_
    {{'lr': 0.01}}
    """

    _splits_once = True
    cv_results_: Results

    def __init__(
        self,
        estimator=None,
        candidates=None,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        memory=None,
        progress=None,
    ):
        set_parameters(self, locals())

    @classmethod
    def from_search(cls, search, candidates=None, **settings):
        """Start from another search's best candidate.

        Parameters
        ----------
        search : estimator
            Any fitted search with ``best_params_``.
        candidates : dict of str to dict, or None
            Changes of its best candidate, which is the estimator here.
        **settings : object
            Other parameters of the new search; by default they are those of `search`. Its folds
            are the same only if `cv` does not shuffle without a seed.

        Returns
        -------
        ManualSearchCV
            Not fitted.

        Raises
        ------
        ValueError
            If `cv` of the search was an iterator.
        """
        check_is_fitted(search, "best_params_")
        estimator = default_estimator() if search.estimator is None else search.estimator
        best = with_parameters(estimator, search.best_params_)
        theirs = search.get_params(deep=False)
        shared = {name: theirs[name] for name in _SHARED if name in theirs}
        if isinstance(shared.get("cv"), Iterator):
            shared["cv"] = getattr(search, "splits_", None)
            if "cv" not in settings and shared["cv"] is None:
                raise ValueError(
                    "The search's folds came from an iterator, which is used up: give cv."
                )
        return cls(best, candidates, **{**shared, **settings})

    def fit(self, X, y=None, **params):
        """Run the given candidates, their fits fused.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Kept, with `y` and `params`, for later candidates, but not pickled.
        y : array-like of shape (n_samples,) or None
        **params : dict of str to object
            For the estimator's ``fit``, the splitter and the scorer.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a candidate names no parameter of the estimator, or none can be fitted.
        """
        super().fit(X, y, **params)
        self._data = (X, y, params)
        return self

    def _conclude(self) -> None:
        """Get ready for more candidates."""
        self.splits_ = self.cv.splits  # of the fixed folds that are in its place
        self.kept_ = None
        self._base: dict[str, Any] = {}
        self._kept_before: list[str | None] = [None] * len(self._names())
        self._kept_fits = self._fits
        super()._conclude()

    def try_candidate(self, name, /, **changed):
        """Evaluate one more candidate on the same folds.

        Parameters
        ----------
        name : str
        **changed : object
            Parameters that differ from those of the candidate that was kept last, or, where
            none was, from the estimator's.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the name is taken, or the candidate cannot be fitted; nothing changes then.
        """
        X, _, _ = self._kept_data()
        if not isinstance(name, str):
            raise ValueError(f"A candidate's name is a string, but {name!r} was given.")
        if name in self._names():
            raise ValueError(f"There is a candidate {name!r} already: give another name.")
        with self._with_defaults(X):
            changed = self._with_prefixes(changed)
            candidate = self._with_memory({**self._base, **changed})
            if reason := invalid_because(self.estimator, candidate):
                raise ValueError(f"Candidate {name!r} cannot be fitted: {reason}")
            start = time.perf_counter()
            with fused_unless_chosen(self.progress) as summary:
                fits = [*self._kept_fits, *self._evaluated(name, candidate)]
            end = self.evaluated_at_[-1] + time.perf_counter() - start
            params = [*self.cv_results_["params"], candidate]
            results = self._results_of(params, fits, {"candidate": [*self._names(), name]})
            if self.kept_ is None and (self.refit or not self.multimetric_):
                self._choose(best_index(results, self.refit), results)
        self.cv_results_, self._kept_fits = results, fits
        self.fused_summary_ = summary
        self.evaluated_at_ = np.append(self.evaluated_at_, end)
        self._kept_before.append(self.kept_)
        return self

    def keep(self, name):
        """Make a candidate the best one, and the base that further candidates change.

        Parameters
        ----------
        name : str

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no such candidate.
        """
        X, _, _ = self._kept_data()
        at = self._position(name)
        with self._with_defaults(X):
            self._choose(at, self.cv_results_)
        self.kept_ = name
        self._base = dict(self.cv_results_["params"][at])
        return self

    def table(self, against=None, level=0.05):
        """Compare the candidates.

        Parameters
        ----------
        against : str or None
            The candidate that all are compared with. None for the one that was kept when each
            was tried, or, where none was, the one before that worked.
        level : float
            A difference counts as more than noise if its p-value, by the corrected resampled
            paired t-test over the folds, is below. With many candidates some will be by chance.

        Returns
        -------
        pandas.DataFrame or list of dict
            A frame where pandas is installed. Columns: candidate, best, against, changed, score,
            std, difference, p_value, verdict ("better", "worse", "within noise", "failed").

        References
        ----------
        Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning 52.
        """
        return self._table(against, level).frame()

    def _given(self) -> Any:
        return {"base": {}} if self.candidates is None else self.candidates

    def _check(self) -> None:
        check_named(self._given())

    def _evaluate_all(self, evaluate: Evaluations, callback_ctx: Any) -> None:
        """Evaluate the given candidates."""
        given = self._given()
        candidates = [self._with_prefixes(params) for params in given.values()]
        with evaluate.told(self, callback_ctx):
            evaluate(candidates, more_results={"candidate": list(given)})

    def _with_prefixes(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Give a network's parameters their prefix, and reject unknown ones."""
        named = {full_name(self.estimator, name): value for name, value in params.items()}
        for name in named:
            check_name(self.estimator, name, {**getattr(self, "_base", {}), **named})
        return named

    def _evaluated(self, name: str, candidate: dict[str, Any]) -> list[Any]:
        """Return what scikit-learn knows of the fits of one candidate."""
        X, y, params = self._kept_data()
        try:
            return fits_of(self, candidate, X, y, without_groups(params))
        except ValueError as error:
            reason = why_all_failed(error)
            if reason is None:
                raise
            raise ValueError(f"Candidate {name!r} cannot be fitted: {reason}") from error

    def _choose(self, index: int, results: Results) -> None:
        """Make a candidate the best one, while what None stands for is in place."""
        if index == getattr(self, "best_index_", None):
            return
        params = results["params"][index]
        if self.refit:
            self._refit(params)  # first: where it fails, all stays as it was
        self.best_index_ = index
        self.best_params_ = params
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{metric_of(results, self.refit)}"][index]

    def _refit(self, params_of_best: dict[str, Any]) -> None:
        X, y, params = self._kept_data()
        fit_params = without_groups(params)
        if get_config()["enable_metadata_routing"] and params:
            fit_params = process_routing(self, "fit", **params).estimator.fit
        best = with_parameters(self.estimator, params_of_best)
        start = time.perf_counter()
        best.fit(*((X,) if y is None else (X, y)), **fit_params)
        self.refit_time_ = time.perf_counter() - start
        self.best_estimator_ = best

    def _kept_data(self) -> tuple[Any, Any, dict[str, Any]]:
        check_is_fitted(self, "cv_results_")
        if self._data is None:
            raise ValueError("A pickle or copy of a search does not hold its data: call fit first.")
        return self._data

    def _names(self) -> list[str]:
        return self.cv_results_["candidate"].tolist()

    def _position(self, name: str) -> int:
        names = self._names()
        if name not in names:
            raise ValueError(f"There is no candidate {name!r}, only {', '.join(map(repr, names))}.")
        return names.index(name)

    def _table(self, against: str | None = None, level: float = 0.05) -> CandidateTable:
        check_is_fitted(self, "cv_results_")
        scores = fold_scores(self.cv_results_, metric_of(self.cv_results_, self.refit))
        scores = without_failed(scores, self.error_score)
        return CandidateTable.compare(
            self._names(),
            self.cv_results_["params"],
            with_memory(self._explicit().estimator, self.memory),
            scores,
            sizes(self.splits_),
            self._compared_with(np.isfinite(scores).all(axis=1), against),
            getattr(self, "best_index_", None),
            level,
        )

    def _compared_with(self, worked: np.ndarray, against: str | None) -> list[int | None]:
        """Return the candidate that each is compared with."""
        if against is not None:
            fixed = self._position(against)
            return [None if i == fixed else fixed for i in range(len(worked))]
        others: list[int | None] = []
        before = None
        for i, kept in enumerate(self._kept_before):
            others.append(before if kept is None else self._position(kept))
            before = i if worked[i] else before
        return others

    def __str__(self) -> str:
        return str(self._table()) if hasattr(self, "cv_results_") else repr(self)

    def _repr_html_(self) -> str:
        """Return the table, once there is one, for notebooks."""
        return self._table().html() if hasattr(self, "cv_results_") else super()._repr_html_()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return the table as text and HTML; notebooks ask this first."""
        if hasattr(self, "cv_results_"):
            return {"text/plain": str(self), "text/html": self._repr_html_()}
        return super()._repr_mimebundle_(**kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_data" in state:
            state["_data"] = None
        return state
