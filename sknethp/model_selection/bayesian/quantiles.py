"""Gradient-boosted quantiles as in scikit-optimize, for today's scikit-learn and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import RegressorTags
from skopt.learning import GradientBoostingQuantileRegressor

from sknethp.compat import cook_estimator

_BELOW, _MIDDLE, _ABOVE = 0.16, 0.5, 0.84  # a standard deviation apart, for a normal variable


class QuantileRegressor(GradientBoostingQuantileRegressor):
    """Quantiles as a surrogate model.

    scikit-learn takes the parent for no regressor, since it looks for that in the first of its
    bases, and NumPy 2.4 has no longer what its ``predict`` calls. Parameters are the parent's.
    """

    def __sklearn_tags__(self):
        """Say that it is a regressor."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        return tags

    def predict(self, X, return_std=False, return_quantiles=False):
        """Predict the median, alone or with more.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool
            Whether to return the spread, half of the distance from quantile 0.16 to 0.84.
        return_quantiles : bool
            Whether to return all quantiles instead.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_quantiles), or two of shape (n_samples,)
        """
        found = np.stack([regressor.predict(X) for regressor in self.regressors_])
        if return_quantiles:
            return found.T
        at = dict(zip(self.quantiles, found, strict=True))
        if return_std:
            return at[_MIDDLE], (at[_ABOVE] - at[_BELOW]) / 2.0
        return at[_MIDDLE]


def as_regressor(base_estimator: Any, random_state: np.random.RandomState) -> Any:
    """Return a surrogate model that scikit-optimize's Optimizer takes.

    Parameters
    ----------
    base_estimator : str or estimator
    random_state : RandomState
        Gives gradient boosting its seed.

    Returns
    -------
    str or estimator
        The same, but for gradient boosting.
    """
    if isinstance(base_estimator, str) and base_estimator.upper() == "GBRT":
        seed = random_state.randint(0, np.iinfo(np.int32).max)
        base_estimator = cook_estimator("GBRT", random_state=seed)
    broken = isinstance(base_estimator, GradientBoostingQuantileRegressor)
    if broken and not is_regressor(base_estimator):
        return QuantileRegressor(**base_estimator.get_params(deep=False))
    return base_estimator
