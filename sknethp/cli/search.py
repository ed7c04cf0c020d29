"""The search that the command runs: a pipeline, its folds, and how candidates are chosen."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    ParameterGrid,
    StratifiedKFold,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from skrub import tabular_pipeline

from sknethp import DeepNetClassifier
from sknethp.cli.data import Dataset
from sknethp.cli.errors import CommandError
from sknethp.cli.progress import FitProgress, scores
from sknethp.model_selection import BayesSearchCV, GridSearchCV, RandomizedSearchCV
from sknethp.model_selection.spaces import SIZES, Method, Size, search_space

# Accuracy has many ties on small data, and a choice among them by chance is a poor one.
SELECTED_BY = "neg_log_loss"
STEP = "net"
_SIZE: Size = "medium"

Split = tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]


def split(data: Dataset, *, test_fraction: float, cv: int, seed: int) -> Split:
    """Hold out a stratified test part, of which the search knows nothing.

    Parameters
    ----------
    data : Dataset
        The whole table.
    test_fraction : float
        The part of the rows to hold out.
    cv : int
        The number of folds that the rest must be enough for.
    seed : int
        The seed of the shuffle.

    Returns
    -------
    X_train, X_test : pandas.DataFrame
        The two parts of the columns.
    y_train, y_test : ndarray
        The two parts of the labels.

    Raises
    ------
    CommandError
        If a class has too few members.
    """
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


def make_pipeline(classifier: BaseEstimator, seed: int) -> Pipeline:
    """Put a classifier behind skrub's preprocessing for tables.

    Parameters
    ----------
    classifier : estimator
        The last step, named `STEP`.
    seed : int
        The ``random_state`` of every step that has one.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Encodes text, categories and dates, imputes, scales, classifies.
    """
    preprocess = tabular_pipeline(classifier)[:-1]
    pipeline = Pipeline([("preprocess", preprocess), (STEP, classifier)])
    seeded = [name for name in pipeline.get_params() if name.split("__")[-1] == "random_state"]
    return pipeline.set_params(**dict.fromkeys(seeded, seed))


def baselines(seed: int) -> dict[str, Pipeline]:
    """Return the models that a tuned net has to beat.

    Parameters
    ----------
    seed : int
        The ``random_state`` of every step that has one.

    Returns
    -------
    dict of str to sklearn.pipeline.Pipeline
        Not fitted.
    """
    return {
        "logistic regression": make_pipeline(LogisticRegression(max_iter=1000), seed),
        # It predicts the most frequent class, with the classes' shares as probabilities.
        "most frequent class": make_pipeline(DummyClassifier(strategy="prior"), seed),
    }


def folds(cv: int, seed: int) -> StratifiedKFold:
    """Return the folds, the same for every candidate and baseline.

    Parameters
    ----------
    cv : int
        How many.
    seed : int
        The seed of the shuffle.

    Returns
    -------
    sklearn.model_selection.StratifiedKFold
        Shuffled.
    """
    return StratifiedKFold(cv, shuffle=True, random_state=seed)


def make_search(
    method: Method, X: pd.DataFrame, *, n_candidates: int, cv: int, seed: int
) -> tuple[Any, int]:
    """Make the search for a method.

    Parameters
    ----------
    method : {"grid", "random", "bayes"}
        How candidates are chosen.
    X : pandas.DataFrame of shape (n_samples, n_features)
        The columns; the space depends on how many there are.
    n_candidates : int
        How many to try; a grid may have fewer.
    cv : int
        The number of folds.
    seed : int
        The seed of the nets, the folds and the candidates.

    Returns
    -------
    search : estimator
        Its ``scoring`` is still to be set.
    n_candidates : int
        How many candidates it will try.
    """
    pipeline = make_pipeline(DeepNetClassifier(), seed)
    common = {"cv": folds(cv, seed), "refit": SELECTED_BY, "progress": False}
    space = search_space(pipeline, method, _SIZE, X=X, max_candidates=n_candidates)
    if method == "grid":
        return GridSearchCV(pipeline, space, **common), len(ParameterGrid(space))
    common |= {"n_iter": n_candidates, "random_state": seed}
    if method == "random":
        return RandomizedSearchCV(pipeline, space, **common), n_candidates
    return BayesSearchCV(pipeline, space, error_score=np.nan, **common), n_candidates


def best_hyperparameters(search: Any) -> dict[str, Any]:
    """Return the hyperparameters of the net that won, those that had one value included.

    Parameters
    ----------
    search : estimator
        Fitted.

    Returns
    -------
    dict of str to object
        Values by name, without prefix.
    """
    chosen = search.best_estimator_[STEP].get_params()
    return {name: chosen[name] for name in SIZES[_SIZE]}


@contextmanager
def expected_warnings_ignored() -> Iterator[None]:
    """Silence what is told otherwise, or is ordinary."""
    with warnings.catch_warnings():
        # Failed fits are counted and told in one line instead.
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", message=".*scores are non-finite")
        # A rare category may well be missing from a fold; it is encoded as zeros.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        yield


def run_search(
    search: Any, X: pd.DataFrame, y: np.ndarray, progress: FitProgress
) -> dict[str, float]:
    """Fit a search.

    Parameters
    ----------
    search : estimator
        From `make_search`; fitted in place.
    X : pandas.DataFrame of shape (n_samples, n_features)
        The columns.
    y : ndarray of shape (n_samples,)
        The labels.
    progress : FitProgress
        Scores and counts the fits.

    Returns
    -------
    dict of str to float
        ``cv_accuracy`` and ``cv_log_loss`` of the best candidate.

    Raises
    ------
    CommandError
        If no fit succeeded.
    """
    search.set_params(scoring=progress)
    try:
        with progress:
            search.fit(X, y)
    except ValueError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[-1] if "fits failed" in lines[0] else lines[0]
        raise CommandError(f"the search failed: {reason}") from error
    row = search.best_index_
    return _cross_validated(
        search.cv_results_["mean_test_accuracy"][row],
        search.cv_results_["mean_test_neg_log_loss"][row],
    )


def cross_validated_scores(
    pipeline: Pipeline, X: pd.DataFrame, y: np.ndarray, cv: StratifiedKFold
) -> dict[str, float]:
    """Cross-validate a pipeline.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Not fitted.
    X : pandas.DataFrame of shape (n_samples, n_features)
        The columns.
    y : ndarray of shape (n_samples,)
        The labels.
    cv : sklearn.model_selection.StratifiedKFold
        The folds.

    Returns
    -------
    dict of str to float
        ``cv_accuracy`` and ``cv_log_loss``.
    """
    result = cross_validate(pipeline, X, y, cv=cv, scoring=scores)
    return _cross_validated(result["test_accuracy"].mean(), result["test_neg_log_loss"].mean())


def held_out_scores(pipeline: Pipeline, X: pd.DataFrame, y: np.ndarray) -> dict[str, float]:
    """Score a fitted pipeline on the held-out part.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted.
    X : pandas.DataFrame of shape (n_samples, n_features)
        The columns.
    y : ndarray of shape (n_samples,)
        The labels.

    Returns
    -------
    dict of str to float
        ``test_accuracy`` and ``test_log_loss``.
    """
    result = scores(pipeline, X, y)
    return {"test_accuracy": result["accuracy"], "test_log_loss": -result["neg_log_loss"]}


def _cross_validated(accuracy: float, neg_log_loss: float) -> dict[str, float]:
    return {"cv_accuracy": float(accuracy), "cv_log_loss": -float(neg_log_loss)}
