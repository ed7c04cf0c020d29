"""The models that are compared by default, and where those of scikit-learn are searched.

Spaces of gradient boosting and random forest: those of auto-sklearn (Feurer et al., 2022,
Auto-sklearn 2.0, JMLR), whose 512 trees are the most here; of features per split, the shares of
Grinsztajn et al. (2022), Why do tree-based models still outperform deep learning on tabular data?,
NeurIPS. Logistic regression: the range of LogisticRegressionCV.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy.stats import loguniform, randint
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sknethp.comparison.random_search import Space


class LogInteger:
    """Integers whose logarithm is uniform, bounds included."""

    def __init__(self, low: int, high: int):
        self.low, self.high = low, high
        self._distribution = loguniform(low - 0.5, high + 0.5)

    def rvs(self, random_state: Any = None) -> int:
        """Draw one."""
        drawn = self._distribution.rvs(random_state=check_random_state(random_state))
        return min(max(round(drawn), self.low), self.high)

    def support(self) -> tuple[int, int]:
        """Return the bounds."""
        return self.low, self.high


def _boosting_work(parameters: Mapping[str, Any], n_features: int) -> float:
    return parameters["max_iter"] * (1 + math.log2(parameters["max_leaf_nodes"]))


def _forest_work(parameters: Mapping[str, Any], n_features: int) -> float:
    share = parameters["max_features"]
    n_tried = {"sqrt": math.sqrt(n_features), "log2": math.log2(n_features + 1)}.get(
        share, n_features * share if isinstance(share, float) else n_features
    )
    return parameters["n_estimators"] * (3 + n_tried)


BOOSTING = Space(
    {
        "learning_rate": loguniform(0.01, 1),
        "max_iter": LogInteger(32, 512),
        "max_leaf_nodes": LogInteger(3, 2047),
        "min_samples_leaf": LogInteger(1, 200),
        "l2_regularization": loguniform(1e-10, 1),
        "early_stopping": [False, True],
        "n_iter_no_change": randint(1, 21),
    },
    size="max_iter",
    work=_boosting_work,
)
FOREST = Space(
    {
        "n_estimators": LogInteger(100, 512),
        "criterion": ["gini", "entropy"],
        "max_features": ["sqrt", "log2", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, None],
        "min_samples_split": randint(2, 21),
        "min_samples_leaf": randint(1, 21),
        "bootstrap": [True, False],
    },
    size="n_estimators",
    work=_forest_work,
)
LINEAR = Space({"logisticregression__C": loguniform(1e-4, 1e4)})


def boosting(seed: int, n_jobs: int) -> Any:
    """Return gradient boosting, which takes as many threads as OpenMP has."""
    return HistGradientBoostingClassifier(random_state=seed)


def forest(seed: int, n_jobs: int) -> Any:
    """Return a random forest."""
    return RandomForestClassifier(n_jobs=n_jobs, random_state=seed)


def linear(seed: int, n_jobs: int) -> Any:
    """Return logistic regression on scaled columns."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
