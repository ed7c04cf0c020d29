"""What is compared: the built-in models, and any estimator of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from sknethp.classifier import DeepNetClassifier
from sknethp.comparison import peers
from sknethp.comparison.random_search import Space, TimedRandomSearch
from sknethp.compat import BaseSearchCV
from sknethp.hyperparameters import last_part
from sknethp.hyperparameters.constraints import Choice, complaint
from sknethp.self_tuning import DeepNetClassifierCV
from sknethp.self_tuning.folds import Splits

TUNED_NET, NET = "DeepNetClassifierCV", "DeepNetClassifier"
BOOSTING, FOREST, LINEAR = "HistGradientBoosting", "RandomForest", "LogisticRegression"
MODELS = (TUNED_NET, NET, BOOSTING, FOREST, LINEAR)


@dataclass(frozen=True)
class Job:
    """What a model is fitted for: inner folds, metric, seconds, threads and seed."""

    splits: Splits
    scoring: Any
    max_time: float
    n_jobs: int
    seed: int


@dataclass(frozen=True)
class Model:
    """A named model: `make` returns an unfitted classifier for a job.

    `table` is what it is given: the user's table as it is, numbers with gaps, or complete numbers.
    `given` is what identifies it.
    """

    name: str
    make: Callable[[Job], Any]
    table: str
    given: Any


class NumberedClasses(ClassifierMixin, BaseEstimator):
    """A classifier that is given its classes as numbers from 0, as XGBoost needs them."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        """Fit to the numbers of the classes."""
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(X, numbers)
        return self

    def predict_proba(self, X):
        """Return the class probabilities."""
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        """Return labels."""
        return self.classes_[np.ravel(self.estimator_.predict(X)).astype(int)]


def chosen(models: Any) -> list[Model]:
    """Return the models that a user wants, by name; raises a ValueError."""
    parts = [models] if isinstance(models, (str, Mapping)) else models
    if models is None:
        parts = MODELS
    if not isinstance(parts, Iterable) or isinstance(parts, BaseEstimator):
        raise ValueError(f"models={models!r} is not valid: {_ALLOWED}.")
    found: dict[str, Model] = {}
    for part in parts:
        named = part if isinstance(part, Mapping) else {part: None}
        for name, estimator in named.items():
            if name in found:
                raise ValueError(f"models has {name!r} twice: give each model another name.")
            found[name] = _built_in(name) if estimator is None else _given(name, estimator)
    if not found:
        raise ValueError(f"models={models!r} is empty: {_ALLOWED}.")
    return list(found.values())


_ALLOWED = (
    "give a list of names of built-in models, a dict of estimators by name, or a list of both, "
    f"such as [{BOOSTING!r}, {{'my model': estimator}}]"
)


def _built_in(name: Any) -> Model:
    if not isinstance(name, str):
        raise ValueError(f"models has {name!r} without a name: {_ALLOWED}.")
    if name not in MODELS:
        raise ValueError(
            f"{complaint('models', name, Choice(MODELS))} An estimator of your own is given in a "
            "dict, by name."
        )
    return Model(name, _MAKE[name], "numbers" if name == BOOSTING else "complete", name)


def _given(name: Any, estimator: Any) -> Model:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"models has the key {name!r}, but names must be text.")
    if not hasattr(estimator, "fit") or isinstance(estimator, type):
        raise ValueError(f"models[{name!r}] is {estimator!r}, which is not an estimator.")
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"models[{name!r}] is a {type(estimator).__name__} without predict_proba: put it into "
            "a CalibratedClassifierCV."
        )
    if not is_classifier(estimator):
        raise ValueError(f"models[{name!r}] is a {type(estimator).__name__}, not a classifier.")

    def make(job: Job) -> Any:
        numbered = NumberedClasses(estimator) if _needs_numbers(estimator) else estimator
        return seeded(numbered, job.seed)

    return Model(name, make, _table_for(estimator), estimator)


def seeded(estimator: Any, seed: int) -> Any:
    """Return a copy with a seed wherever none is set."""
    copy = clone(estimator)
    unset = [
        name
        for name, value in copy.get_params().items()
        if last_part(name) == "random_state" and value is None
    ]
    return copy.set_params(**dict.fromkeys(unset, seed))


def _needs_numbers(estimator: Any) -> bool:
    parts = [estimator, *estimator.get_params().values()]
    return any(type(part).__module__.partition(".")[0] == "xgboost" for part in parts)


def _table_for(estimator: Any) -> str:
    """A pipeline has preprocessing of its own; others get numbers, with gaps if they take them."""
    inner = estimator.estimator if isinstance(estimator, BaseSearchCV) else estimator
    if isinstance(inner, Pipeline):
        return "as it is"
    try:
        takes_gaps = get_tags(estimator).input_tags.allow_nan
    except Exception:  # estimators for older releases of scikit-learn have no tags
        takes_gaps = False
    return "numbers" if takes_gaps else "complete"


def _tuned_net(job: Job) -> Any:
    return DeepNetClassifierCV(
        max_time=job.max_time,
        cv=job.splits,
        scoring=job.scoring,
        progress=False,
        random_state=job.seed,
    )


def _net(job: Job) -> Any:
    return DeepNetClassifier(random_state=job.seed)


def _searched(make: Callable[[int, int], Any], space: Space) -> Callable[[Job], Any]:
    def search(job: Job) -> TimedRandomSearch:
        return TimedRandomSearch(
            make(job.seed, job.n_jobs),
            space,
            splits=job.splits,
            scoring=job.scoring,
            max_time=job.max_time,
            random_state=job.seed,
        )

    return search


_MAKE: dict[str, Callable[[Job], Any]] = {
    TUNED_NET: _tuned_net,
    NET: _net,
    BOOSTING: _searched(peers.boosting, peers.BOOSTING),
    FOREST: _searched(peers.forest, peers.FOREST),
    LINEAR: _searched(peers.linear, peers.LINEAR),
}
