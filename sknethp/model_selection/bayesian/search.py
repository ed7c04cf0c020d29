"""Bayesian search: scikit-optimize's, patched, with fused fits and defaults."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from sknethp.hyperparameters import set_parameters
from sknethp.hyperparameters.constraints import COUNT, Constraint
from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.bayesian.patched import PatchedBayesSearchCV
from sknethp.model_selection.checks import check_count, check_space
from sknethp.model_selection.fused_search import (
    ADDED,
    ATTRIBUTES,
    ESTIMATOR,
    MAX_TIME,
    FusedSearchMixin,
)
from sknethp.model_selection.results import ranks_of


class BayesSearchCV(FusedSearchMixin, PatchedBayesSearchCV):  # noqa: D101
    __doc__ = f"""scikit-optimize's Bayesian search, with fits trained together and a default space.

    Parameters
    ----------
    {ESTIMATOR}
    search_spaces : dict, list of dict, list of (dict, int) or None
        Dimensions by name, with the number of evaluations where it is not `n_iter`; None for
        ``search_space(estimator, "bayes", X=X)``.
    optimizer_kwargs : dict or None
        For ``skopt.Optimizer``, as in the parent; ``{{}}`` for its defaults. None for proposals
        of our own, which take a fraction of its time.
    n_iter : int
        Evaluations.
    scoring, fit_params, refit, cv, verbose, error_score, return_train_score : object
        As in ``skopt.BayesSearchCV``.
    n_points : int
        Candidates that are proposed, and trained, together. The parent's default is 1.
    n_jobs, pre_dispatch : object
        As there, for another joblib backend; fused fits use all cores.
    iid : object
        Has no effect, as there.
    random_state : int, RandomState or None
        Seed of the proposals. To resume a killed search, it must be an integer.
    {MAX_TIME}
    {ADDED}

    Attributes
    ----------
    {ATTRIBUTES}

    Notes
    -----
    The first candidate is the estimator as it is, as far as the space has its parameters, and
    the first eight are spread evenly. No candidate comes twice: a space with fewer points than
    `n_iter` is searched through.

    Where scikit-optimize 0.10.2 fails or is wasteful with today's scikit-learn, this does not:
    categories may be tuples, or of different types; a candidate that fails is marked with
    `error_score`, even if its whole round fails, and counts as the worst that worked for the
    proposals; metadata routing and ``base_estimator="GBRT"`` work; `fit_params` are used; all
    rounds have the same folds, even of a splitter that shuffles without a seed; and the default
    of `n_jobs` leaves the number of jobs to ``joblib.parallel_config``.

    References
    ----------
    Snoek et al. (2012), Practical Bayesian optimization of machine learning algorithms, NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skopt.space import Real
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.model_selection import BayesSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=5, hidden_units=8, random_state=0)
    >>> space = {{"lr": Real(1e-3, 1e-1, prior="log-uniform"), "dropout": (0.0, 0.5)}}
    >>> search = BayesSearchCV(net, space, n_iter=16, cv=3, random_state=0).fit(X, y)
    >>> search.fused_summary_.largest
    24
    """

    _allowed: ClassVar[dict[str, Constraint]] = {"n_iter": COUNT, "n_points": COUNT}
    _all_at_first = False
    _splits_once = True  # a splitter may shuffle differently each round
    _space_parameter = "search_spaces"
    _space_method = "bayes"

    def __init__(
        self,
        estimator=None,
        search_spaces=None,
        optimizer_kwargs=None,
        n_iter=50,
        scoring=None,
        fit_params=None,
        n_jobs=None,
        n_points=8,
        iid="deprecated",
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score="raise",
        return_train_score=False,
        *,
        max_time=None,
        memory=None,
        progress=None,
    ):
        set_parameters(self, locals())

    def fit(self, X, y=None, *, groups=None, callback=None, **fit_params):
        """Run the search, the fits of a round fused.

        Inside a ``sknethp.fused()`` block, or where ``joblib.parallel_config`` names a backend,
        that one is used. `n_jobs` has a meaning only with another backend.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or None
        groups : array-like of shape (n_samples,) or None
            For the splitter.
        callback : callable, list of callable or None
            Called after each round with scikit-optimize's result so far; one that returns true
            ends the search of the present space.
        **fit_params : dict of str to object
            For the estimator's ``fit``, the splitter and the scorer.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the space, the folds or the data cannot be searched, or no candidate be fitted.
        """
        return super().fit(X, y, groups=groups, callback=callback, **fit_params)

    def _check(self) -> None:
        parts = subspaces(self.search_spaces, self.n_iter)
        check_space(self.estimator, [space for space, _ in parts], "search_spaces")
        n_asked = sum(n for _, n in parts)
        check_count(n_asked if self.max_time is None else min(n_asked, self.n_points))

    def _conclude(self) -> None:
        """Rank training scores."""
        for key in [key for key in self.cv_results_ if key.startswith("mean_train_")]:
            mean = np.asarray(self.cv_results_[key], dtype=float)
            self.cv_results_[key.replace("mean_", "rank_", 1)] = ranks_of(mean).astype(int)
        super()._conclude()
