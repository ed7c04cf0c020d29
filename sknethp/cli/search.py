"""The search that the command runs: a pipeline, its folds, and how candidates are chosen."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    ParameterGrid,
    StratifiedKFold,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sknethp import DeepNetClassifier
from sknethp.cli.data import Dataset
from sknethp.cli.errors import CommandError
from sknethp.estimator.memory import UnwritableMemoryError
from sknethp.hyperparameters import last_part
from sknethp.model_selection import BayesSearchCV, GridSearchCV, RandomizedSearchCV
from sknethp.model_selection.results import why_all_failed
from sknethp.model_selection.spaces import Method, Size, search_space

try:
    from skrub import tabular_pipeline
except (OSError, RuntimeError) as error:
    raise CommandError(
        f"skrub cannot make its data folder ({error}); set HOME or SKB_DATA_DIRECTORY to a folder "
        "that you can write to"
    ) from error

# Accuracy has many ties on small data, and a choice among them by chance is a poor one.
SELECTED_BY = "neg_log_loss"
METRICS = ("accuracy", SELECTED_BY)
STEP = "net"
SIZE: Size = "medium"

Split = tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]


def split(data: Dataset, *, test_fraction: float, cv: int, seed: int) -> Split:
    """Hold out a stratified part of the rows: X_train, X_test, y_train, y_test."""
    classes, counts = np.unique(data.y, return_counts=True)
    rarest, n_members = classes[counts.argmin()], counts.min()
    too_few = (
        f"class {str(rarest)!r} has {n_members} of {len(data.y)} rows, too few for "
        f"{cv} folds beside a held-out part of {test_fraction:g}; use a smaller --cv or "
        "remove the class"
    )
    try:
        parts = train_test_split(
            data.X, data.y, test_size=test_fraction, stratify=data.y, random_state=seed
        )
    except ValueError as error:
        raise CommandError(too_few if n_members < 2 else f"cannot split: {error}") from error
    if np.unique(parts[2], return_counts=True)[1].min() < cv:
        raise CommandError(too_few)
    return parts


def make_pipeline(classifier: BaseEstimator, X: pd.DataFrame, seed: int) -> Pipeline:
    """Put a classifier behind skrub's preprocessing; the seed is that of every step."""
    preprocess = tabular_pipeline(classifier)[:-1]
    if _needs_only_conversion(X):
        convert = FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": "float32"})
        preprocess.steps[0] = ("convert", convert)
    pipeline = Pipeline([("preprocess", preprocess), (STEP, classifier)])
    seeded = [name for name in pipeline.get_params() if last_part(name) == "random_state"]
    return pipeline.set_params(**dict.fromkeys(seeded, seed))


def _needs_only_conversion(X: pd.DataFrame) -> bool:
    """Whether skrub's TableVectorizer, which is slow, would do no more than convert to float32.

    It also drops empty columns; of one with few gaps, every training fold has values.
    """
    are_numbers = all(isinstance(t, np.dtype) and t.kind in "iuf" for t in X.dtypes)
    are_names = all(isinstance(name, str) for name in X.columns)
    return are_numbers and are_names and bool(X.isna().mean().max() < 0.25)


def folds(cv: int, seed: int) -> StratifiedKFold:
    """Return the folds, the same for every candidate and baseline."""
    return StratifiedKFold(cv, shuffle=True, random_state=seed)


def make_search(
    method: Method, X: pd.DataFrame, *, candidates: int, cv: int, seed: int, memory: Path
) -> tuple[Any, int]:
    """Return a search, and how many candidates it tries; a grid may have fewer than requested."""
    pipeline = make_pipeline(DeepNetClassifier(), X, seed)
    common: dict[str, Any] = {
        "scoring": scores,
        "cv": folds(cv, seed),
        "refit": SELECTED_BY,
        "memory": memory,
        "progress": True,
    }
    space = search_space(pipeline, method, SIZE, X=X, max_candidates=candidates)
    if method == "grid":
        return GridSearchCV(pipeline, space, **common), len(ParameterGrid(space))
    common |= {"n_iter": candidates, "random_state": seed}
    if method == "random":
        return RandomizedSearchCV(pipeline, space, **common), candidates
    return BayesSearchCV(pipeline, space, error_score=np.nan, **common), candidates


@contextmanager
def expected_warnings_ignored() -> Iterator[None]:
    """Silence what is reported otherwise, or is ordinary."""
    with warnings.catch_warnings():
        # Failed fits are counted in one line instead.
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", message=".*scores are non-finite")
        # A rare category may well be missing from a fold; it is encoded as zeros.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        yield


def run_search(search: Any, X: pd.DataFrame, y: np.ndarray) -> None:
    """Fit a search; the pipeline that it chooses does not keep the memory."""
    try:
        search.fit(X, y)
    except UnwritableMemoryError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        reason = why_all_failed(error) or first_line
        raise CommandError(f"the search failed: {reason}") from error
    search.best_estimator_.set_params(**{f"{STEP}__memory": None})


def net_scores(search: Any, parts: Split) -> dict[str, float]:
    """Return the scores of the best candidate of a fitted search."""
    cross_validated = [
        search.cv_results_[f"mean_test_{name}"][search.best_index_] for name in METRICS
    ]
    return _all_scores(cross_validated, search.best_estimator_, parts)


def baseline_scores(parts: Split, cv: int, seed: int) -> dict[str, dict[str, float]]:
    """Return the scores of the models that a tuned net has to beat."""
    X, _, y, _ = parts
    baselines = {
        "logistic regression": LogisticRegression(max_iter=1000),
        # It predicts the most frequent class, with the classes' shares as probabilities.
        "most frequent class": DummyClassifier(strategy="prior"),
    }
    result = {}
    for title, classifier in baselines.items():
        pipeline = make_pipeline(classifier, X, seed)
        found = cross_validate(pipeline, X, y, cv=folds(cv, seed), scoring=scores)
        cross_validated = [found[f"test_{name}"].mean() for name in METRICS]
        result[title] = _all_scores(cross_validated, pipeline.fit(X, y), parts)
    return result


def _all_scores(
    cross_validated: Sequence[float], pipeline: Pipeline, parts: Split
) -> dict[str, float]:
    """Return accuracy and log-loss, cross-validated and of a fitted pipeline on held-out rows."""
    accuracy, neg_log_loss = cross_validated
    held_out = scores(pipeline, parts[1], parts[3])
    return {
        "cv_accuracy": float(accuracy),
        "cv_log_loss": -float(neg_log_loss),
        "test_accuracy": held_out["accuracy"],
        "test_log_loss": -held_out["neg_log_loss"],
    }


def scores(estimator: BaseEstimator, X: object, y: np.ndarray) -> dict[str, float]:
    """Score a fitted classifier, larger being better; the log-loss is in nats."""
    classes = estimator.classes_
    probabilities = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = classes[probabilities.argmax(axis=1)]
    return {
        "accuracy": float(np.mean(predicted == np.asarray(y))),
        "neg_log_loss": -float(log_loss(y, probabilities, labels=classes)),
    }
