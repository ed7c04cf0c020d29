"""Grid, random and halving search: scikit-learn's, with fused fits and defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import model_selection as parents

from sknethp.compat import HalvingRandomSearchCV as HalvingParent
from sknethp.hyperparameters import set_parameters
from sknethp.model_selection.checks import all_of
from sknethp.model_selection.fused_search import (
    ADDED,
    ATTRIBUTES,
    ESTIMATOR,
    MAX_TIME,
    FusedSearchMixin,
)


class GridSearchCV(FusedSearchMixin, parents.GridSearchCV):  # noqa: D101
    __doc__ = f"""scikit-learn's exhaustive search, all fits trained together, with a default space.

    Parameters
    ----------
    {ESTIMATOR}
    param_grid : dict, list of dict or None
        Values by name; None for ``search_space(estimator, "grid", "small", X=X)``.
    scoring, refit, cv, verbose, error_score, return_train_score : object
        As in ``sklearn.model_selection.GridSearchCV``.
    n_jobs, pre_dispatch : object
        As there, for another joblib backend; fused fits use all cores.
    {MAX_TIME}
    {ADDED}

    Attributes
    ----------
    {ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknethp import DeepNetClassifier
    >>> from sknethp.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = DeepNetClassifier(max_epochs=2, random_state=0)
    >>> search = GridSearchCV(net, {{"lr": [0.001, 0.01], "dropout": [0.0, 0.3]}}, cv=3)
    >>> search.fit(X, y).fused_summary_.fused
    12
    """

    _space_parameter = "param_grid"
    _space_method = "grid"
    _space_size = "small"

    def __init__(
        self,
        estimator=None,
        param_grid=None,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        max_time=None,
        memory=None,
        progress=None,
    ):
        set_parameters(self, locals())


class RandomizedSearchCV(FusedSearchMixin, parents.RandomizedSearchCV):  # noqa: D101
    __doc__ = f"""scikit-learn's random search, all fits trained together, with a default space.

    Parameters
    ----------
    {ESTIMATOR}
    param_distributions : dict, list of dict or None
        Lists or distributions by name; None for ``search_space(estimator, "random", X=X)``.
    n_iter, scoring, refit, cv, verbose, random_state, error_score, return_train_score : object
        As in ``sklearn.model_selection.RandomizedSearchCV``. To resume a killed search,
        `random_state` must be an integer: otherwise other candidates are drawn.
    n_jobs, pre_dispatch : object
        As there, for another joblib backend; fused fits use all cores.
    {MAX_TIME}
    {ADDED}

    Attributes
    ----------
    {ATTRIBUTES}

    References
    ----------
    Bergstra & Bengio (2012), Random search for hyper-parameter optimization, JMLR 13.
    """

    _space_parameter = "param_distributions"

    def __init__(
        self,
        estimator=None,
        param_distributions=None,
        *,
        n_iter=10,
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


class HalvingRandomSearchCV(FusedSearchMixin, HalvingParent):  # noqa: D101
    __doc__ = f"""scikit-learn's successive halving, the fits of a round trained together.

    It is experimental in scikit-learn, which wants ``enable_halving_search_cv`` imported first;
    here it needs no import.

    Parameters
    ----------
    {ESTIMATOR}
    param_distributions : dict, list of dict or None
        Lists or distributions by name; None for ``search_space(estimator, "random", X=X)``
        without the `resource`.
    n_candidates, factor, resource, max_resources, min_resources : object
        As in ``sklearn.model_selection.HalvingRandomSearchCV``. A net's ``max_epochs`` is a
        useful resource.
    aggressive_elimination, cv, scoring, refit, error_score, return_train_score : object
        As there.
    random_state, verbose : object
        As there. To resume a killed search, `random_state` must be an integer.
    n_jobs : object
        As there, for another joblib backend; fused fits use all cores.
    {ADDED}

    Attributes
    ----------
    {ATTRIBUTES}

    References
    ----------
    Jamieson & Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
    optimization, AISTATS.
    """

    _space_parameter = "param_distributions"
    pre_dispatch = "2*n_jobs"  # no parameter of the parent

    def __init__(
        self,
        estimator=None,
        param_distributions=None,
        *,
        n_candidates="exhaust",
        factor=3,
        resource="n_samples",
        max_resources="auto",
        min_resources="smallest",
        aggressive_elimination=False,
        cv=5,
        scoring=None,
        refit=True,
        error_score=np.nan,
        return_train_score=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
        memory=None,
        progress=None,
    ):
        set_parameters(self, locals())

    def _generate_candidate_params(self):
        """Draw the first round's candidates, if they are not too many."""
        return all_of(super()._generate_candidate_params())

    def _default_space(self, estimator: Any, X: Any) -> Any:
        """Return the space that None stands for, without the resource."""
        space = super()._default_space(estimator, X)
        parts = [space] if isinstance(space, dict) else space
        return [{name: p[name] for name in p if name != self.resource} for p in parts]
