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
    """Quantiles as a surrogate, which scikit-learn takes for a regressor, and with NumPy 2.4."""

    def __sklearn_tags__(self):
        """Say that it is a regressor."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags()
        return tags

    def predict(self, X, return_std=False, return_quantiles=False):
        """Predict the median, with half the distance from quantile 0.16 to 0.84, or all."""
        found = np.stack([regressor.predict(X) for regressor in self.regressors_])
        if return_quantiles:
            return found.T
        at = dict(zip(self.quantiles, found, strict=True))
        if return_std:
            return at[_MIDDLE], (at[_ABOVE] - at[_BELOW]) / 2.0
        return at[_MIDDLE]


def as_regressor(base_estimator: Any, random_state: np.random.RandomState) -> Any:
    """Return a surrogate that scikit-optimize takes, which for gradient boosting is our own."""
    if isinstance(base_estimator, str) and base_estimator.upper() == "GBRT":
        seed = random_state.randint(0, np.iinfo(np.int32).max)
        base_estimator = cook_estimator("GBRT", random_state=seed)
    elif isinstance(base_estimator, str) and base_estimator.upper() == "DUMMY":
        # Skopt's own is None, which scikit-learn's is_regressor rejects. By a tree that is a single
        # leaf all points are as good, and the first of those drawn is proposed.
        return cook_estimator("RF", n_estimators=1, min_samples_split=2**30, random_state=0)
    broken = isinstance(base_estimator, GradientBoostingQuantileRegressor)
    if broken and not is_regressor(base_estimator):
        return QuantileRegressor(**base_estimator.get_params(deep=False))
    return base_estimator
